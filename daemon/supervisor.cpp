#include "daemon/supervisor.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <set>
#include <system_error>
#include <utility>
#include <variant>

#include "daemon/bandwidth.h"
#include "daemon/peer_queue.h"
#include "daemon/places.h"
#include "daemon/retry_policy.h"
#include "daemon/start_gate.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

// A peer decides how many names it has, and how long they are; these bound what the supervisor keeps and logs
// of them. The report has each name several times, escaped.
constexpr std::size_t max_skipped_listed = 1'000;
constexpr std::size_t max_skipped_bytes = 64U << 10U;
constexpr unsigned max_events_of_attempt = 1'000;
constexpr auto tick_interval = milliseconds(100);
constexpr auto patience_for_the_killed = milliseconds(500);
// A hundredth: what a stalled worker would not use others shall have, and still it must be able to move.
constexpr std::uint64_t part_of_a_stalled_worker = 100;

WorkResult beyond_deadline(milliseconds deadline) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "the peer was not done within its deadline of %g s",
                static_cast<double>(deadline.count()) / 1000);
  return failed_work(peers::FailureKind::transient, text.data());
}

std::vector<std::string> groups_of(const std::vector<PoolPeer>& peers) {
  std::vector<std::string> groups;
  groups.reserve(peers.size());
  for (const PoolPeer& peer : peers) groups.push_back(peer.group);
  return groups;
}

}  // namespace

class Supervisor::Pool {
 public:
  Pool(const std::vector<PoolPeer>& peers, PoolLimits limits, Timeline& timeline, Workers& workers,
       PoolObserver& observer, std::uint32_t seed)
      : limits_(std::move(limits)),
        timeline_(timeline),
        workers_(workers),
        observer_(observer),
        queue_(groups_of(peers), limits_.groups),
        gate_(
            timeline, limits_.held_until, [this](auto until) { observer_.held(until); }, [this] { fill(); }),
        generator_(seed) {
    for (const PoolPeer& peer : peers) {
      PeerState& state = peers_.emplace_back();
      state.settings = peer.settings;
      state.steps.resize(peer.steps);
    }
  }

  void start() {
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) enqueue(peer);
    begin_ = timeline_.after(milliseconds(0), [this] {
      if (peers_.empty()) {
        observer_.over();
        return;
      }
      tick();
      fill();
    });
  }

  RunEnd interrupt() {
    const bool was_over = finished_ == peers_.size();
    is_interrupted_ = true;
    for (const std::size_t peer : running_) peers_[peer].attempt->worker->kill();  // all at once
    hear_the_killed();
    for (std::size_t peer = 0; peer < peers_.size(); ++peer) cancel(peer);
    queue_.clear();
    begin_.reset();
    ticks_.reset();
    gate_.forget();
    over_.reset();
    return was_over ? RunEnd::complete : RunEnd::interrupted;
  }

 private:
  /// One attempt that is going on.
  struct Attempt final : WorkerListener {
    Attempt(Pool& owner, std::size_t index) : pool(owner), peer(index) {}
    void told(const WorkRecord& record) override { pool.told(peer, record); }
    void ended(const WorkResult& result) override { pool.ended(peer, result); }

    Pool& pool;
    std::size_t peer;
    std::unique_ptr<RunningWorker> worker;
    Timeline::Steady last_word;
    bool stalled = false;
    unsigned events = 0;
  };

  /// What is known of a managed action; each is done once.
  enum class Step { ahead, begun, over };

  struct PeerState {
    config::StagingSettings settings;
    std::vector<Step> steps;
    bool staged = false;
    std::unique_ptr<Alarm> deadline, pause;
    std::unique_ptr<Attempt> attempt;
    std::optional<Timeline::Steady> first_start;
    bool queued = false;
    Timeline::Steady::duration held{0};              ///< while it was queued, and nobody might start
    Timeline::Steady::duration held_when_queued{0};  ///< what the clock showed
    unsigned transient_failures = 0;
    std::size_t skipped_bytes = 0;      ///< of the names that are listed
    std::optional<WorkResult> put_off;  ///< why it has to wait for its next attempt
    bool done = false;
    PeerOutcome outcome;
  };

  // Who starts, and when.

  void enqueue(std::size_t peer) {
    PeerState& state = peers_[peer];
    state.queued = true;
    state.held_when_queued = gate_.closed_time();
    queue_.add(peer);
  }

  /// Starts peers as long as there are places.
  void fill() {
    if (is_interrupted_ || finished_ == peers_.size()) return;
    while (has_place() && queue_.has_next() && gate_.open()) leave_queue(queue_.take());
    share();
  }

  bool has_place() const {
    return free_places(limits_.parallel, static_cast<unsigned>(running_.size()), stalled_) > 0;
  }

  void leave_queue(std::size_t peer) {
    PeerState& state = peers_[peer];
    state.held = time_held(state);
    state.queued = false;
    if (!state.done && is_overdue(state)) end_at_deadline(peer);
    if (state.done) {
      queue_.give_back(peer);
      return;
    }
    start_attempt(peer);
  }

  void start_attempt(std::size_t peer) {
    PeerState& state = peers_[peer];
    state.put_off.reset();
    if (!state.first_start) state.first_start = timeline_.steady_now();
    if (!state.deadline) watch_deadline(peer);
    state.outcome.attempts = state.transient_failures + 1;
    state.outcome.skipped.clear();
    state.outcome.skipped_unlisted = 0;
    state.skipped_bytes = 0;
    observer_.started(peer, state.outcome.attempts);
    auto attempt = std::make_unique<Attempt>(*this, peer);
    attempt->last_word = timeline_.steady_now();
    try {
      attempt->worker = workers_.start(peer, first_rate(state), *attempt);
    } catch (const std::system_error& error) {
      queue_.give_back(peer);
      attempt_failed(peer, failed_work(peers::FailureKind::transient, error.what()));
      return;
    }
    state.attempt = std::move(attempt);
    running_.insert(peer);
    shares_are_old_ = true;
  }

  /// Forgets a running attempt; a worker that is still there is killed.
  void drop_attempt(std::size_t peer) {
    PeerState& state = peers_[peer];
    if (!state.attempt) return;
    if (state.attempt->stalled) --stalled_;
    state.attempt.reset();
    running_.erase(peer);
    queue_.give_back(peer);
    shares_are_old_ = true;
  }

  // Bandwidth.

  /// Until the shares are told, a moment later.
  config::ByteCount first_rate(const PeerState& state) const {
    return limits_.bandwidth.bytes == 0 ? state.settings.bandwidth_limit : config::ByteCount{1};
  }

  void share() {
    if (!shares_are_old_ || limits_.bandwidth.bytes == 0) return;
    std::vector<config::ByteCount> own;
    for (const std::size_t peer : running_) own.push_back(limit_of(peers_[peer]));
    const std::vector<config::ByteCount> rates = share_bandwidth(limits_.bandwidth, own);
    auto rate = rates.begin();
    for (const std::size_t peer : running_) peers_[peer].attempt->worker->set_rate(*rate++);
    shares_are_old_ = false;
  }

  config::ByteCount limit_of(const PeerState& state) const {
    const config::ByteCount own = state.settings.bandwidth_limit;
    if (!state.attempt->stalled) return own;
    const std::uint64_t small =
        std::max<std::uint64_t>(1, limits_.bandwidth.bytes / part_of_a_stalled_worker);
    return {own.bytes == 0 ? small : std::min(own.bytes, small)};
  }

  // Deadlines. Time in which a peer would have started, and nobody might, is not its own.

  Timeline::Steady::duration time_held(const PeerState& state) const {
    if (!state.queued) return state.held;
    return state.held + gate_.closed_time() - state.held_when_queued;
  }

  milliseconds since_start(const PeerState& state) const {
    if (!state.first_start) return milliseconds(0);
    return std::chrono::duration_cast<milliseconds>(timeline_.steady_now() - *state.first_start);
  }

  milliseconds own_time(const PeerState& state) const {
    if (!state.first_start) return milliseconds(0);
    return std::chrono::duration_cast<milliseconds>(timeline_.steady_now() - *state.first_start -
                                                    time_held(state));
  }

  bool is_overdue(const PeerState& state) const {
    return state.settings.deadline.count() > 0 && own_time(state) >= state.settings.deadline;
  }

  void watch_deadline(std::size_t peer) {
    PeerState& state = peers_[peer];
    if (state.settings.deadline.count() == 0) return;
    state.deadline = timeline_.after(state.settings.deadline - own_time(state), [this, peer] {
      PeerState& late = peers_[peer];
      late.deadline.reset();
      if (is_overdue(late)) {
        end_at_deadline(peer);
        fill();
      } else if (!late.queued || !gate_.was_closed()) {
        watch_deadline(peer);
      }  // else its time stands still, and its next attempt sees to it
    });
  }

  void end_at_deadline(std::size_t peer) {
    PeerState& state = peers_[peer];
    if (state.put_off && state.put_off->failure == peers::FailureKind::not_ready) {
      finish(peer, WorkResult(*state.put_off));  // it took no time of ours, it only never came
      return;
    }
    drop_attempt(peer);
    finish(peer, beyond_deadline(state.settings.deadline));
  }

  // What workers tell.

  void told(std::size_t peer, const WorkRecord& record) {
    Attempt& attempt = *peers_[peer].attempt;
    attempt.last_word = timeline_.steady_now();
    if (attempt.stalled) {
      attempt.stalled = false;
      --stalled_;
      shares_are_old_ = true;
      share();
    }
    std::visit([&](const auto& fields) { take(peer, fields); }, record);
  }

  void take(std::size_t peer, const WorkPlanned& plan) { observer_.planned(peer, plan); }
  void take(std::size_t peer, const WorkProgress& progress) { observer_.progress(peer, progress); }
  void take(std::size_t peer, const WorkSkipped& skipped) {
    PeerState& state = peers_[peer];
    PeerOutcome& outcome = state.outcome;
    const bool fits = outcome.skipped.size() < max_skipped_listed &&
                      state.skipped_bytes + skipped.name.size() <= max_skipped_bytes;
    if (!fits) {
      ++outcome.skipped_unlisted;
      return;
    }
    state.skipped_bytes += skipped.name.size();
    outcome.skipped.push_back(skipped);
  }
  void take(std::size_t peer, const WorkFile& file) { observer_.file(peer, file); }
  void take(std::size_t peer, const WorkEvent& event) {
    const unsigned count = ++peers_[peer].attempt->events;
    if (count < max_events_of_attempt) observer_.event(peer, event);
    if (count == max_events_of_attempt) {
      observer_.event(peer, {peers::EventLevel::warning, "more messages of this attempt are left out"});
    }
  }
  void take(std::size_t peer, const WorkOutput& output) { observer_.output(peer, output); }
  void take(std::size_t, const WorkResult&) {}  // comes with the end

  void take(std::size_t peer, const WorkStepBegun& record) {
    std::vector<Step>& steps = peers_[peer].steps;
    const bool is_possible = record.step < steps.size() && steps[record.step] == Step::ahead;
    if (!is_possible) return end_liar(peer, "it began a managed action that it was not told to begin");
    steps[record.step] = Step::begun;
    observer_.step_begun(peer, record.step);
  }
  void take(std::size_t peer, const WorkStepEnded& record) {
    std::vector<Step>& steps = peers_[peer].steps;
    const bool is_possible = record.step < steps.size() && steps[record.step] != Step::over &&
                             (steps[record.step] == Step::begun || record.failure);
    if (!is_possible) return end_liar(peer, "it ended a managed action that did not go on");
    steps[record.step] = Step::over;
    observer_.step_ended(peer, record);
  }
  void take(std::size_t peer, const WorkStaged& record) {
    if (std::exchange(peers_[peer].staged, true)) return end_liar(peer, "it staged the peer twice");
    observer_.staged(peer, record);
  }

  /// The worker says what cannot be, so that nothing else of it is believed.
  void end_liar(std::size_t peer, const std::string& why) {
    drop_attempt(peer);
    finish(peer, failed_work(peers::FailureKind::hostile,
                             "the worker was killed because it broke its protocol: " + why));
    fill();
  }

  void ended(std::size_t peer, const WorkResult& told) {
    const WorkResult result = told;  // it may be the worker's, which is let go of
    drop_attempt(peer);
    TreeChange& change = peers_[peer].outcome.result.change;
    change = std::max(change, result.change);
    if (result.failure)
      attempt_failed(peer, result);
    else
      finish(peer, result);
    fill();
  }

  void attempt_failed(std::size_t peer, const WorkResult& result) {
    PeerState& state = peers_[peer];
    if (*result.failure == peers::FailureKind::transient) ++state.transient_failures;
    const AttemptHistory history{state.transient_failures, own_time(state)};
    const Decision decision = decide_after_failure(state.settings, *result.failure, history, random());
    if (decision.step == NextStep::give_up) {
      finish(peer, result);
      return;
    }
    state.put_off = result;
    observer_.put_off(peer, result, decision.delay);
    state.pause = timeline_.after(decision.delay, [this, peer] {
      peers_[peer].pause.reset();
      enqueue(peer);
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
    state.deadline.reset();
    state.pause.reset();
    state.put_off.reset();
    ++finished_;
    observer_.finished(peer, state.outcome);
    state.outcome = {};  // thousands of them would be kept for nothing
    if (finished_ == peers_.size()) end_soon();
  }

  void end_soon() {
    ticks_.reset();
    gate_.forget();
    over_ = timeline_.after(milliseconds(0), [this] { observer_.over(); });
  }

  /// A managed action that one began, and told of, must not be begun again by whoever goes on with this.
  void hear_the_killed() {
    const std::set<std::size_t> killed = running_;  // one that lies is dropped
    const auto end = std::chrono::steady_clock::now() + patience_for_the_killed;
    for (const std::size_t peer : killed) {
      const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::steady_clock::now());
      if (peers_[peer].attempt) peers_[peer].attempt->worker->hear_the_rest(std::max(left, milliseconds(0)));
    }
  }

  void cancel(std::size_t peer) {
    if (peers_[peer].done) return;
    drop_attempt(peer);
    peers_[peer].outcome.cancelled = true;
    finish(peer, failed_work(peers::FailureKind::cancelled, "the run was interrupted"));
  }

  void tick() {
    ticks_ = timeline_.after(tick_interval, [this] { tick(); });
    observer_.tick();
    const unsigned stalled_before = stalled_;
    for (const std::size_t peer : running_) {
      Attempt& attempt = *peers_[peer].attempt;
      if (attempt.stalled || timeline_.steady_now() - attempt.last_word < limits_.stall_time) continue;
      attempt.stalled = true;
      ++stalled_;
    }
    if (stalled_ == stalled_before) return;
    shares_are_old_ = true;
    fill();
  }

  double random() { return std::uniform_real_distribution<double>(0, 1)(generator_); }

  PoolLimits limits_;
  Timeline& timeline_;
  Workers& workers_;
  PoolObserver& observer_;
  PeerQueue queue_;
  StartGate gate_;
  std::mt19937 generator_;
  std::deque<PeerState> peers_;
  std::set<std::size_t> running_;
  unsigned stalled_ = 0;  ///< of those that run
  bool shares_are_old_ = false, is_interrupted_ = false;
  std::size_t finished_ = 0;
  std::unique_ptr<Alarm> begin_, ticks_, over_;
};

Supervisor::Supervisor(const std::vector<PoolPeer>& peers, PoolLimits limits, Timeline& timeline,
                       Workers& workers, PoolObserver& observer, std::uint32_t seed)
    : pool_(std::make_unique<Pool>(peers, std::move(limits), timeline, workers, observer, seed)) {}
Supervisor::~Supervisor() = default;

void Supervisor::start() {
  pool_->start();
}

RunEnd Supervisor::interrupt() {
  return pool_->interrupt();
}

}  // namespace peerstage::daemon
