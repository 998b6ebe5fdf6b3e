#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "daemon/supervisor.h"
#include "tests/daemon/pool_recorder.h"
#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t pool_size = 5'000;
constexpr std::size_t group_count = 50;

enum class Habit { good, late, flaky, hangs, broken, never_ready };

Habit habit_of(std::size_t peer) {
  switch (peer % 40) {
    case 3:
    case 23:
      return Habit::late;
    case 7:
      return Habit::flaky;
    case 11:
      return Habit::hangs;
    case 17:
      return Habit::broken;
    case 29:
      return Habit::never_ready;
    default:
      return Habit::good;
  }
}

Script script_of(std::size_t peer, unsigned attempt) {
  const auto work = seconds(1 + peer % 60);
  switch (habit_of(peer)) {
    case Habit::good:
      return Script::succeeds(work);
    case Habit::late:
      return attempt < 4 ? Script::fails(FailureKind::not_ready, seconds(1)) : Script::succeeds(work);
    case Habit::flaky:
      return attempt < 3 ? Script::fails(FailureKind::transient, work) : Script::succeeds(work);
    case Habit::hangs:
      return Script::hangs();
    case Habit::broken:
      return Script::fails(FailureKind::permanent, work);
    case Habit::never_ready:
      return Script::fails(FailureKind::not_ready, seconds(1));
  }
  return {};
}

/// What became of each peer, by its habit.
std::optional<FailureKind> expected_end(Habit habit) {
  switch (habit) {
    case Habit::hangs:
      return FailureKind::transient;  // its deadline
    case Habit::broken:
      return FailureKind::permanent;
    case Habit::never_ready:
      return FailureKind::not_ready;
    default:
      return std::nullopt;
  }
}

std::vector<PoolPeer> mixed_pool() {
  std::vector<PoolPeer> peers(pool_size);
  for (std::size_t peer = 0; peer < pool_size; ++peer) {
    peers[peer].settings.wait_for_collect = hours(2);
    peers[peer].settings.poll_interval = minutes(5);
    peers[peer].settings.deadline = hours(3);
    if (peer % 3 == 0) peers[peer].group = "group" + std::to_string(peer / 3 % group_count);
  }
  return peers;
}

/// Watches the limits at every start.
class Watcher final : public PoolRecorder {
 public:
  Watcher(const std::vector<PoolPeer>& peers, const PoolLimits& limits) : peers_(peers), limits_(limits) {}
  const ScriptedWorkers* workers = nullptr;
  std::size_t too_many = 0;

  void started(std::size_t peer, unsigned attempt) override {
    PoolRecorder::started(peer, attempt);
    const std::string& group = peers_[peer].group;
    if (group.empty()) return;
    const auto limit = limits_.groups.find(group);
    const auto others = std::ranges::count_if(
        workers->running, [&](std::size_t other) { return peers_[other].group == group; });
    if (std::cmp_greater_equal(others, limit == limits_.groups.end() ? 1U : limit->second)) ++too_many;
  }

 private:
  const std::vector<PoolPeer>& peers_;
  const PoolLimits& limits_;
};

TEST(SupervisorSimulation, ANightOfThousandsKeepsItsLimitsAndEndsForEverybody) {
  SimulatedTimeline timeline;
  PoolLimits limits;
  limits.parallel = 64;
  limits.groups = {{"group0", 4}, {"group1", 2}};
  limits.bandwidth = {1'000'000'000};
  const std::vector<PoolPeer> peers = mixed_pool();
  Watcher watcher(peers, limits);
  ScriptedWorkers workers(timeline, script_of);
  watcher.workers = &workers;
  Supervisor supervisor(peers, limits, timeline, workers, watcher, 1);
  supervisor.start();
  while (!watcher.is_over && timeline.step(hours(48))) {
  }
  ASSERT_TRUE(watcher.is_over);
  EXPECT_EQ(watcher.too_many, 0U);
  EXPECT_LE(workers.most_running, 2 * limits.parallel);
  ASSERT_EQ(watcher.order.size(), pool_size);
  for (std::size_t peer = 0; peer < pool_size; ++peer) {
    EXPECT_EQ(watcher.outcomes[peer].result.failure, expected_end(habit_of(peer))) << "peer " << peer;
    const bool comes_again = habit_of(peer) == Habit::late || habit_of(peer) == Habit::flaky;
    EXPECT_TRUE(!comes_again || workers.attempts[peer] > 1) << "peer " << peer;
  }
}

TEST(SupervisorSimulation, TheSameNightIsTheSameTwice) {
  std::vector<std::vector<std::size_t>> orders;
  for (int night = 0; night < 2; ++night) {
    SimulatedTimeline timeline;
    PoolRecorder recorder;
    ScriptedWorkers workers(timeline, script_of);
    std::vector<PoolPeer> peers = mixed_pool();
    peers.resize(500);
    Supervisor supervisor(peers, PoolLimits{}, timeline, workers, recorder, 42);
    supervisor.start();
    while (!recorder.is_over && timeline.step(hours(48))) {
    }
    orders.push_back(recorder.order);
  }
  EXPECT_EQ(orders[0].size(), 500U);
  EXPECT_EQ(orders[0], orders[1]);
}

}  // namespace
}  // namespace peerstage::daemon
