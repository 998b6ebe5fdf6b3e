#include "daemon/supervisor.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/retry_policy.h"
#include "daemon/termination.h"
#include "daemon/worker_process.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A peer decides how many names it has; these bound what the supervisor keeps and logs of them.
constexpr std::size_t max_skipped_listed = 10'000;
constexpr unsigned max_events_of_attempt = 1'000;
constexpr auto tick_interval = milliseconds(100);

WorkResult failed(peers::FailureKind kind, std::string message) {
  WorkResult result;
  result.failure = kind;
  result.message = std::move(message);
  return result;
}

std::string how_it_ended(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(wait_status));
    return std::string("it was ended by the signal ") + (name != nullptr ? name : "of an unknown number");
  }
  return "it ended with status " + std::to_string(WEXITSTATUS(wait_status));
}

/// One attempt that is going on.
struct Attempt {
  Attempt(asio::io_context& io, const std::function<void(int)>& body)
      : process(body),
        records(io, process.take_records().release()),
        handle(io, process.take_handle().release()) {}

  /// Handlers that are under way keep the object, so it has to be told that it is over.
  void stop() {
    boost::system::error_code ignored;  // both are closed whatever it says
    records.close(ignored);
    handle.close(ignored);
    process.end();
  }

  WorkerProcess process;
  asio::posix::stream_descriptor records, handle;
  std::array<char, 65536> buffer{};
  WorkRecordReader reader;
  std::optional<WorkResult> result;
  unsigned events = 0;
  bool stream_ended = false, process_ended = false;
};

struct PeerState {
  PeerState(asio::io_context& io, config::StagingSettings staging)
      : settings(std::move(staging)), deadline(io), pause(io) {}

  config::StagingSettings settings;
  asio::steady_timer deadline, pause;
  std::shared_ptr<Attempt> attempt;
  std::optional<SteadyClock::time_point> first_start;
  unsigned transient_failures = 0;
  std::optional<WorkResult> put_off;  ///< why it has to wait for its next attempt
  bool done = false;
  PeerOutcome outcome;
};

}  // namespace

class Supervisor::Pool {
 public:
  Pool(std::vector<config::StagingSettings> peers, unsigned parallel, Work work, PoolObserver& observer)
      : parallel_(parallel), work_(std::move(work)), observer_(observer), signals_(io_), ticks_(io_) {
    for (config::StagingSettings& settings : peers) peers_.emplace_back(io_, std::move(settings));
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) queue_.push_back(peer);
  }

  RunEnd run() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) signals_.add(signal);
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (!error) interrupt();
    });
    const TerminationListenedTo termination;
    tick();
    fill();
    if (!peers_.empty()) io_.run();
    return interrupted_ ? RunEnd::interrupted : RunEnd::complete;
  }

 private:
  /// Starts peers as long as there are places.
  void fill() {
    while (running_ < parallel_ && !queue_.empty()) {
      const std::size_t peer = queue_.front();
      queue_.pop_front();
      if (!peers_[peer].done) start(peer);  // its deadline may have ended it while it waited
    }
  }

  void start(std::size_t peer) {
    PeerState& state = peers_[peer];
    state.put_off.reset();
    if (!state.first_start) {
      state.first_start = SteadyClock::now();
      watch_deadline(peer);
    }
    state.outcome.attempts = state.transient_failures + 1;
    state.outcome.skipped.clear();
    state.outcome.skipped_unlisted = 0;
    observer_.started(peer, state.outcome.attempts);
    try {
      state.attempt = std::make_shared<Attempt>(io_, [this, peer](int descriptor) {
        close_what_is_ours();
        work_(peer, descriptor);
      });
    } catch (const std::system_error& error) {
      attempt_failed(peer, failed(peers::FailureKind::transient, error.what()));
      return;
    }
    ++running_;
    read_records(peer);
    state.attempt->handle.async_wait(asio::posix::stream_descriptor::wait_read,
                                     [this, peer, attempt = state.attempt](boost::system::error_code error) {
                                       if (error || peers_[peer].attempt != attempt) return;
                                       attempt->process_ended = true;
                                       end_attempt_if_over(peer);
                                     });
  }

  /// In the child: another worker's stream must end when that worker ends, so nobody else may hold it.
  void close_what_is_ours() {
    for (PeerState& state : peers_) {
      if (!state.attempt) continue;
      ::close(state.attempt->records.native_handle());
      ::close(state.attempt->handle.native_handle());
    }
  }

  void watch_deadline(std::size_t peer) {
    PeerState& state = peers_[peer];
    if (state.settings.deadline.count() == 0) return;
    state.deadline.expires_after(state.settings.deadline);
    state.deadline.async_wait([this, peer](boost::system::error_code error) {
      if (error) return;
      PeerState& late = peers_[peer];
      if (late.put_off && late.put_off->failure == peers::FailureKind::not_ready) {
        finish(peer, *late.put_off);  // it took no time of ours, it only never came
        return;
      }
      const double seconds = static_cast<double>(late.settings.deadline.count()) / 1000;
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), "the peer was not done within its deadline of %g s", seconds);
      stop_attempt(late);
      finish(peer, failed(peers::FailureKind::transient, text.data()));
    });
  }

  void read_records(std::size_t peer) {
    const auto& attempt = peers_[peer].attempt;
    attempt->records.async_read_some(
        asio::buffer(attempt->buffer),
        [this, peer, reading = attempt](boost::system::error_code error, std::size_t size) {
          if (peers_[peer].attempt != reading) return;
          if (!error && take_records(peer, {reading->buffer.data(), size})) {
            read_records(peer);
            return;
          }
          reading->stream_ended = true;
          end_attempt_if_over(peer);
        });
  }

  /// False: the worker has broken the protocol and was killed.
  bool take_records(std::size_t peer, std::span<const char> bytes) {
    Attempt& attempt = *peers_[peer].attempt;
    try {
      attempt.reader.append(bytes);
      while (const auto record = attempt.reader.next()) {
        if (attempt.result) throw WorkProtocolError("a record follows the result");
        std::visit([&](const auto& fields) { take(peer, fields); }, *record);
      }
      return true;
    } catch (const WorkProtocolError& error) {
      attempt.process.kill();
      attempt.result =
          failed(peers::FailureKind::hostile,
                 std::string("the worker was killed because it broke its protocol: ") + error.what());
      return false;
    }
  }

  void take(std::size_t peer, const WorkPlanned& plan) { observer_.planned(peer, plan); }
  void take(std::size_t peer, const WorkProgress& progress) { observer_.progress(peer, progress); }
  void take(std::size_t peer, const WorkSkipped& skipped) {
    PeerOutcome& outcome = peers_[peer].outcome;
    if (outcome.skipped.size() < max_skipped_listed)
      outcome.skipped.push_back(skipped);
    else
      ++outcome.skipped_unlisted;
  }
  void take(std::size_t peer, const WorkFile& file) { observer_.file(peer, file); }
  void take(std::size_t peer, const WorkEvent& event) {
    const unsigned count = ++peers_[peer].attempt->events;
    if (count < max_events_of_attempt) observer_.event(peer, event);
    if (count == max_events_of_attempt) {
      observer_.event(peer, {peers::EventLevel::warning, "more messages of this attempt are left out"});
    }
  }
  void take(std::size_t peer, const WorkResult& result) { peers_[peer].attempt->result = result; }

  void end_attempt_if_over(std::size_t peer) {
    PeerState& state = peers_[peer];
    if (!state.attempt || !state.attempt->stream_ended || !state.attempt->process_ended) return;
    const int wait_status = state.attempt->process.reap();
    auto result = std::move(state.attempt->result);
    stop_attempt(state);
    if (!result) {
      result = failed(peers::FailureKind::permanent,
                      "the worker of this peer ended without a result: " + how_it_ended(wait_status));
    }
    if (result->change == TreeChange::changed) state.outcome.result.change = TreeChange::changed;
    if (result->failure)
      attempt_failed(peer, *result);
    else
      finish(peer, *result);
    fill();
  }

  /// Forgets a running attempt; a process that is still there is killed and reaped.
  void stop_attempt(PeerState& state) {
    if (!state.attempt) return;
    state.attempt->stop();
    state.attempt.reset();
    --running_;
  }

  void attempt_failed(std::size_t peer, const WorkResult& result) {
    PeerState& state = peers_[peer];
    if (*result.failure == peers::FailureKind::transient) ++state.transient_failures;
    const AttemptHistory history{state.transient_failures, since_start(state)};
    const Decision decision = decide_after_failure(state.settings, *result.failure, history, random());
    if (decision.step == NextStep::give_up) {
      finish(peer, result);
      return;
    }
    state.put_off = result;
    observer_.put_off(peer, result, decision.delay);
    state.pause.expires_after(decision.delay);
    state.pause.async_wait([this, peer](boost::system::error_code error) {
      if (error || peers_[peer].done) return;
      queue_.push_back(peer);
      fill();
    });
  }

  void finish(std::size_t peer, const WorkResult& result) {
    PeerState& state = peers_[peer];
    const TreeChange change = std::max(state.outcome.result.change, result.change);
    state.outcome.result = result;
    state.outcome.result.change = change;
    state.outcome.elapsed = since_start(state);
    state.done = true;
    state.deadline.cancel();
    state.pause.cancel();
    observer_.finished(peer, state.outcome);
    if (++finished_ == peers_.size())
      io_.stop();
    else
      asio::post(io_, [this] { fill(); });
  }

  void interrupt() {
    interrupted_ = true;
    queue_.clear();
    for (PeerState& state : peers_) {
      if (state.attempt) state.attempt->process.kill();  // all at once, before any is waited for
    }
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) {
      if (peers_[peer].done) continue;
      stop_attempt(peers_[peer]);
      peers_[peer].outcome.cancelled = true;
      finish(peer, failed(peers::FailureKind::cancelled, "the run was interrupted"));
    }
  }

  void tick() {
    observer_.tick();
    ticks_.expires_after(tick_interval);
    ticks_.async_wait([this](boost::system::error_code error) {
      if (!error) tick();
    });
  }

  milliseconds since_start(const PeerState& state) const {
    if (!state.first_start) return milliseconds(0);
    return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - *state.first_start);
  }

  double random() { return std::uniform_real_distribution<double>(0, 1)(generator_); }

  unsigned parallel_;
  Work work_;
  PoolObserver& observer_;
  asio::io_context io_{1};
  asio::signal_set signals_;
  asio::steady_timer ticks_;
  std::deque<PeerState> peers_;
  std::deque<std::size_t> queue_;
  std::mt19937 generator_{std::random_device{}()};
  unsigned running_ = 0;
  std::size_t finished_ = 0;
  bool interrupted_ = false;
};

Supervisor::Supervisor(std::vector<config::StagingSettings> peers, unsigned parallel, Work work,
                       PoolObserver& observer)
    : pool_(std::make_unique<Pool>(std::move(peers), parallel, std::move(work), observer)) {}
Supervisor::~Supervisor() = default;

RunEnd Supervisor::run() {
  return pool_->run();
}

}  // namespace peerstage::daemon
