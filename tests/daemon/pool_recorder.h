#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/supervisor.h"

namespace peerstage::daemon {

/// Keeps what a pool tells.
class PoolRecorder : public PoolObserver {
 public:
  void started(std::size_t peer, unsigned attempt) override {
    starts.emplace_back(peer, attempt);
    most_running = std::max(most_running, ++running);
    if (on_start) on_start();
  }
  void planned(std::size_t, const WorkPlanned& plan) override { planned_files += plan.files; }
  void progress(std::size_t, const WorkProgress&) override {}
  void file(std::size_t, const WorkFile&) override {}
  void event(std::size_t, const WorkEvent& event) override { events.push_back(event.text); }
  void put_off(std::size_t, const WorkResult&, std::chrono::milliseconds) override {
    ++put_offs;
    --running;
  }
  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    order.push_back(peer);
    outcomes.resize(std::max(outcomes.size(), peer + 1));
    outcomes[peer] = outcome;
    --running;
    if (on_finish) on_finish(peer);
  }
  void held(std::optional<Timeline::Wall> until) override { holds.push_back(until); }
  void tick() override {}
  void over() override {
    is_over = true;
    if (on_over) on_over();
  }

  std::vector<std::pair<std::size_t, unsigned>> starts;
  std::vector<std::size_t> order;
  std::vector<PeerOutcome> outcomes;
  std::vector<std::string> events;
  std::vector<std::optional<Timeline::Wall>> holds;
  std::function<void()> on_start, on_over;
  std::function<void(std::size_t peer)> on_finish;
  std::uint64_t planned_files = 0;
  int put_offs = 0, running = 0, most_running = 0;
  bool is_over = false;
};

inline std::vector<PoolPeer> pool_of(std::size_t count) {
  PoolPeer peer;
  peer.settings.retry_delay = std::chrono::milliseconds(1);
  peer.settings.poll_interval = std::chrono::milliseconds(1);
  return std::vector<PoolPeer>(count, peer);
}

}  // namespace peerstage::daemon
