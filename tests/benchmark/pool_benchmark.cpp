// What a night of scripted peers costs the supervisor: the real code on simulated time. The scripts and the
// timeline are paid for, too.

#include <benchmark/benchmark.h>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "daemon/supervisor.h"
#include "tests/support/scripted_workers.h"
#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Three seconds of a worker that tells how far it is as often as real ones do.
Script transfer() {
  Script script;
  script.say(milliseconds(200), WorkPlanned{1000, 1U << 30U});
  for (std::uint64_t i = 0; i < 30; ++i) script.say(milliseconds(100), WorkProgress{i * 30, i << 25U});
  script.say(milliseconds(100), WorkEvent{peers::EventLevel::info, "resumed 3 files"});
  WorkResult result;
  result.change = TreeChange::changed;
  result.files = 1000;
  script.say(milliseconds(500), result);
  return script;
}

Script script_of(std::size_t peer, unsigned attempt) {
  if (peer % 100 == 1) return Script::hangs();
  if (peer % 10 == 3 && attempt < 5) return Script::fails(FailureKind::not_ready, milliseconds(300));
  if (peer % 10 == 7 && attempt == 1) return Script::fails(FailureKind::transient, seconds(2));
  return transfer();
}

class LastWord final : public PoolObserver {
 public:
  void started(std::size_t, unsigned) override {}
  void planned(std::size_t, const WorkPlanned&) override {}
  void progress(std::size_t, const WorkProgress&) override {}
  void file(std::size_t, const WorkFile&) override {}
  void event(std::size_t, const WorkEvent&) override {}
  void put_off(std::size_t, const WorkResult&, milliseconds) override {}
  void finished(std::size_t, const PeerOutcome&) override { ++finished_peers; }
  void held(std::optional<Timeline::Wall>) override {}
  void tick() override {}
  void over() override { is_over = true; }

  std::size_t finished_peers = 0;
  bool is_over = false;
};

std::vector<PoolPeer> pool_of(std::size_t count) {
  std::vector<PoolPeer> peers(count);
  for (std::size_t peer = 0; peer < count; ++peer) {
    peers[peer].settings.wait_for_collect = std::chrono::hours(2);
    peers[peer].settings.deadline = std::chrono::minutes(10);
    if (peer % 4 == 0) peers[peer].group = "group" + std::to_string(peer / 4 % 25);
  }
  return peers;
}

PoolLimits limits() {
  PoolLimits limits;
  limits.parallel = 64;
  limits.bandwidth = {1U << 30U};
  for (int group = 0; group < 25; ++group) limits.groups["group" + std::to_string(group)] = 2;
  return limits;
}

double peak_memory_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void one_night(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::chrono::nanoseconds night{0};
  for ([[maybe_unused]] auto iteration : state) {
    SimulatedTimeline timeline;
    LastWord observer;
    ScriptedWorkers workers(timeline, script_of);
    Supervisor supervisor(pool_of(count), limits(), timeline, workers, observer, 1);
    supervisor.start();
    while (!observer.is_over && timeline.step()) {
    }
    if (observer.finished_peers != count) state.SkipWithError("not every peer has ended");
    night = timeline.elapsed();
  }
  state.counters["cpu_a_peer"] =
      benchmark::Counter(static_cast<double>(count),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["simulated_minutes"] = std::chrono::duration<double, std::ratio<60>>(night).count();
  state.counters["peak_MiB"] = peak_memory_mib();
}

BENCHMARK(one_night)->Arg(10)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace peerstage::daemon
