#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/timeline.h"
#include "daemon/workers.h"

namespace peerstage::daemon {

/// What one attempt tells, and when. An attempt without an end hangs.
class Script {
 public:
  struct Line {
    std::chrono::milliseconds after;  ///< the line before
    WorkRecord record;                ///< a WorkResult ends it
  };

  Script& say(std::chrono::milliseconds after, const WorkRecord& record) {
    lines_.push_back({after, record});
    return *this;
  }
  const std::vector<Line>& lines() const { return lines_; }

  static Script ends_with(const WorkResult& result, std::chrono::milliseconds after) {
    return Script().say(after, result);
  }
  static Script succeeds(std::chrono::milliseconds after = {}) { return ends_with(WorkResult{}, after); }
  static Script fails(peers::FailureKind kind, std::chrono::milliseconds after = {}) {
    WorkResult result;
    result.failure = kind;
    result.message = "so it goes";
    return ends_with(result, after);
  }
  static Script hangs() { return {}; }

 private:
  std::vector<Line> lines_;
};

/// Workers on paper: each attempt plays a script on the timeline.
class ScriptedWorkers final : public Workers {
 public:
  /// `write`: what the attempt at a peer does, attempts counted from 1.
  using Write = std::function<Script(std::size_t peer, unsigned attempt)>;
  ScriptedWorkers(Timeline& timeline, Write write) : timeline_(timeline), write_(std::move(write)) {}

  std::unique_ptr<RunningWorker> start(std::size_t peer, config::ByteCount rate,
                                       WorkerListener& listener) override {
    if (fail_to_start > 0 && fail_to_start-- > 0)
      throw std::system_error(EAGAIN, std::generic_category(), "cannot start a worker");
    auto worker = std::make_unique<Attempt>(*this, peer, write_(peer, ++attempts[peer]), listener);
    rates[peer] = rate.bytes;
    most_running = std::max(most_running, running.size());
    return worker;
  }
  void settle(std::chrono::milliseconds) override {}

  std::map<std::size_t, unsigned> attempts;
  std::set<std::size_t> running;
  std::map<std::size_t, std::uint64_t> rates;  ///< of those that run, as they were told last
  std::size_t most_running = 0;
  unsigned fail_to_start = 0;  ///< so many times

 private:
  class Attempt final : public RunningWorker {
   public:
    Attempt(ScriptedWorkers& workers, std::size_t peer, Script script, WorkerListener& listener)
        : workers_(workers), peer_(peer), script_(std::move(script)), listener_(listener) {
      workers_.running.insert(peer_);
      wait_for_line();
    }
    ~Attempt() override {
      workers_.running.erase(peer_);
      workers_.rates.erase(peer_);
    }
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    void set_rate(config::ByteCount rate) override { workers_.rates[peer_] = rate.bytes; }
    void kill() override { alarm_.reset(); }

   private:
    void wait_for_line() {
      if (next_ == script_.lines().size()) return;
      alarm_ = workers_.timeline_.after(script_.lines()[next_].after, [this] { play(); });
    }
    void play() {
      const WorkRecord& record = script_.lines()[next_++].record;
      if (const auto* result = std::get_if<WorkResult>(&record)) {
        listener_.ended(*result);  // and this is gone
        return;
      }
      const std::weak_ptr<bool> alive = alive_;
      listener_.told(record);
      if (!alive.expired()) wait_for_line();
    }

    ScriptedWorkers& workers_;
    std::size_t peer_;
    Script script_;
    WorkerListener& listener_;
    std::size_t next_ = 0;
    std::unique_ptr<Alarm> alarm_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< goes with this
  };

  Timeline& timeline_;
  Write write_;
};

}  // namespace peerstage::daemon
