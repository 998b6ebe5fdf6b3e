#include "daemon/worker_processes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/asio_timeline.h"
#include "daemon/confine.h"
#include "daemon/interruptible_loop.h"
#include "daemon/supervisor.h"
#include "daemon/termination.h"
#include "peers/staging/bandwidth_limit.h"
#include "tests/daemon/pool_recorder.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;
using std::chrono::milliseconds;

void tell(int descriptor, const WorkRecord& record) {
  const std::string bytes = encode(record);
  if (::write(descriptor, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) ::_exit(99);
}

void tell_failure(int descriptor, FailureKind kind) {
  WorkResult result;
  result.failure = kind;
  result.message = "so it goes";
  tell(descriptor, result);
}

/// A file whose length counts how often a peer was worked on, across processes.
class Counter {
 public:
  Counter() : descriptor_(::open("/tmp", O_TMPFILE | O_RDWR | O_APPEND, 0600)) {}
  ~Counter() { ::close(descriptor_); }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;
  off_t next() const {
    if (::write(descriptor_, "x", 1) != 1) ::_exit(98);
    struct stat status {};
    ::fstat(descriptor_, &status);
    return status.st_size;
  }

 private:
  int descriptor_;
};

/// A supervisor with real processes, on a real loop that listens to signals.
RunEnd run(const std::vector<PoolPeer>& peers, unsigned parallel,
           const std::function<void(std::size_t peer, int descriptor)>& work, PoolRecorder& recorder) {
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  WorkerProcesses workers(loop,
                          [&work](std::size_t peer, const WorkerLink& link) { work(peer, link.records); });
  PoolLimits limits;
  limits.parallel = parallel;
  Supervisor supervisor(peers, limits, timeline, workers, recorder);
  RunEnd end = RunEnd::complete;
  recorder.on_over = [&] { loop.stop(); };
  supervisor.start();
  run_interruptibly(loop, [&] {
    end = supervisor.interrupt();
    loop.stop();
  });
  return end;
}

TEST(SupervisorWithProcesses, EveryPeerEndsWithWhatItsWorkerTold) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(3), 8,
      [](std::size_t peer, int descriptor) {
        tell(descriptor, WorkPlanned{5, 10});
        tell(descriptor, WorkSkipped{"pipe", "fifo"});
        tell(descriptor, WorkEvent{peers::EventLevel::info, "hello"});
        WorkResult result;
        result.change = TreeChange::changed;
        result.files = peer;
        tell(descriptor, result);
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  ASSERT_EQ(recorder.outcomes.size(), 3U);
  for (std::size_t peer = 0; peer < 3; ++peer) {
    const PeerOutcome& outcome = recorder.outcomes[peer];
    EXPECT_EQ(outcome.result.files, peer);
    EXPECT_EQ(outcome.result.failure, std::nullopt);
    EXPECT_EQ(outcome.attempts, 1U);
    EXPECT_EQ(outcome.skipped, (std::vector<WorkSkipped>{{"pipe", "fifo"}}));
  }
  EXPECT_EQ(recorder.planned_files, 15U);
  EXPECT_EQ(recorder.events, (std::vector<std::string>(3, "hello")));
}

TEST(SupervisorWithProcesses, AWorkerThatThrowsEndsAsAWorker) {
  const pid_t supervisor = ::getpid();
  PoolRecorder recorder;
  try {
    run(
        pool_of(1), 1, [](std::size_t, int) { throw std::runtime_error("no descriptor is left"); }, recorder);
  } catch (const std::runtime_error&) {
    if (::getpid() != supervisor) ::_exit(97);  // a second supervisor
  }
  EXPECT_EQ(recorder.outcomes[0].result.message,
            "the worker of this peer ended without a result: it ended with status 1");
}

TEST(SupervisorWithProcesses, NoMorePeersRunThanAllowed) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(12), 3, [](std::size_t, int descriptor) { tell(descriptor, WorkResult{}); }, recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.order.size(), 12U);
  EXPECT_EQ(recorder.most_running, 3);
}

TEST(SupervisorWithProcesses, ATransientFailureIsTriedAgainAndCounted) {
  PoolRecorder recorder;
  const Counter counter;
  const RunEnd end = run(
      pool_of(1), 1,
      [&](std::size_t, int descriptor) {
        if (counter.next() < 3)
          tell_failure(descriptor, FailureKind::transient);
        else
          tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].attempts, 3U);
  EXPECT_EQ(recorder.put_offs, 2);
}

TEST(SupervisorWithProcesses, APeerThatChangedInAnEarlierAttemptStaysChanged) {
  PoolRecorder recorder;
  const Counter counter;
  const RunEnd end = run(
      pool_of(1), 1,
      [&](std::size_t, int descriptor) {
        WorkResult result;
        if (counter.next() == 1) {
          result.change = TreeChange::changed;
          result.failure = FailureKind::transient;
        }
        tell(descriptor, result);
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].result.change, TreeChange::changed);
}

TEST(SupervisorWithProcesses, APeerThatIsNotReadyIsLookedAtAgainWithoutCountingAnAttempt) {
  PoolRecorder recorder;
  const Counter counter;
  auto patient = pool_of(1);
  patient[0].settings.wait_for_collect = std::chrono::minutes(1);
  const RunEnd end = run(
      patient, 1,
      [&](std::size_t, int descriptor) {
        if (counter.next() < 3)
          tell_failure(descriptor, FailureKind::not_ready);
        else
          tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].attempts, 1U);
  EXPECT_EQ(recorder.starts.size(), 3U);
}

TEST(SupervisorWithProcesses, AWorkerThatDiesFailsItsPeerAndNoOther) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(2), 2,
      [](std::size_t peer, int descriptor) {
        if (peer == 0) std::raise(SIGKILL);
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::permanent);
  EXPECT_NE(recorder.outcomes[0].result.message.find("KILL"), std::string::npos);
  EXPECT_EQ(recorder.outcomes[1].result.failure, std::nullopt);
}

TEST(SupervisorWithProcesses, AWorkerThatBreaksTheProtocolIsKilled) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(1), 1,
      [](std::size_t, int descriptor) {
        if (::write(descriptor, "\xff\xff\xff\xff", 4) == 4) ::pause();
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::hostile);
}

TEST(SupervisorWithProcesses, AWorkerBeyondItsDeadlineIsKilledAndTheOthersGoOn) {
  PoolRecorder recorder;
  auto hurried = pool_of(2);
  hurried[0].settings.deadline = milliseconds(50);
  const RunEnd end = run(
      hurried, 1,
      [](std::size_t peer, int descriptor) {
        if (peer == 0) ::pause();
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::transient);
  EXPECT_NE(recorder.outcomes[0].result.message.find("0.05 s"), std::string::npos);
  EXPECT_EQ(recorder.outcomes[1].result.failure, std::nullopt);
}

TEST(SupervisorWithProcesses, TerminationCancelsWhatIsNotDone) {
  PoolRecorder recorder;
  recorder.on_start = [] { std::raise(SIGTERM); };
  const RunEnd end = run(
      pool_of(3), 1, [](std::size_t, int) { ::pause(); }, recorder);
  EXPECT_EQ(end, RunEnd::interrupted);
  ASSERT_EQ(recorder.outcomes.size(), 3U);
  for (const PeerOutcome& outcome : recorder.outcomes) EXPECT_TRUE(outcome.cancelled);
}

/// Keeps which managed actions were told to have begun.
class StepRecorder final : public PoolRecorder {
 public:
  void step_begun(std::size_t peer, std::size_t) override { begun.push_back(peer); }
  std::vector<std::size_t> begun;
};

TEST(SupervisorWithProcesses, WhatAWorkerToldIsHeardAlsoWhenTheInterruptionComesFirst) {
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe2(told.data(), O_CLOEXEC), 0);
  WorkerProcesses workers(loop, [&](std::size_t, const WorkerLink& link) {
    tell(link.records, WorkStepBegun{0});
    if (::write(told[1], "x", 1) != 1) ::_exit(97);
    ::pause();
  });
  StepRecorder recorder;
  std::vector<PoolPeer> pool = pool_of(1);
  pool[0].steps = 1;
  Supervisor supervisor(pool, {}, timeline, workers, recorder);
  supervisor.start();
  while (recorder.starts.empty()) loop.run_one();
  char byte = 0;
  ASSERT_EQ(::read(told[0], &byte, 1), 1);
  ASSERT_TRUE(recorder.begun.empty()) << "the loop has not come round since";
  EXPECT_EQ(supervisor.interrupt(), RunEnd::interrupted);
  EXPECT_EQ(recorder.begun, std::vector<std::size_t>{0});
  EXPECT_TRUE(recorder.outcomes.at(0).cancelled);
  workers.settle(std::chrono::seconds(10));
  for (const int end : told) ::close(end);
}

TEST(SupervisorWithProcesses, TerminationThatWasHeldBackBeforeCancelsTheRun) {
  const TerminationHeldBack held_back;
  std::raise(SIGTERM);
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(3), 3, [](std::size_t, int) { ::pause(); }, recorder);
  EXPECT_EQ(end, RunEnd::interrupted);
}

TEST(SupervisorWithProcesses, TerminationAfterTheEndIsDropped) {
  {
    const TerminationHeldBack held_back;
    PoolRecorder recorder;
    const RunEnd end = run(
        pool_of(1), 1, [](std::size_t, int descriptor) { tell(descriptor, WorkResult{}); }, recorder);
    EXPECT_EQ(end, RunEnd::complete);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::raise(signal);
  }
  SUCCEED() << "and this process is still there";
}

TEST(SupervisorWithProcesses, AFloodOfMessagesIsCut) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(1), 1,
      [](std::size_t, int descriptor) {
        for (int i = 0; i < 5000; ++i) tell(descriptor, WorkEvent{peers::EventLevel::info, "again"});
        for (int i = 0; i < 12'000; ++i) tell(descriptor, WorkSkipped{"x", "fifo"});
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.events.size(), 1000U);
  EXPECT_EQ(recorder.outcomes[0].skipped.size(), 1'000U);
  EXPECT_EQ(recorder.outcomes[0].skipped_unlisted, 11'000U);
}

TEST(SupervisorWithProcesses, AFloodOfLongNamesIsCutWhereItWouldFillTheMemory) {
  PoolRecorder recorder;
  const RunEnd end = run(
      pool_of(1), 1,
      [](std::size_t, int descriptor) {
        for (int i = 0; i < 900; ++i) tell(descriptor, WorkSkipped{std::string(4000, 'x'), "fifo"});
        tell(descriptor, WorkSkipped{"short", "fifo"});
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(end, RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].skipped.size(), 17U);  // 64 KiB, and the short one fits behind them
  EXPECT_EQ(recorder.outcomes[0].skipped_unlisted, 884U);
}

/// Hears what one worker tells, and stops the loop at its end.
class Ear final : public WorkerListener {
 public:
  explicit Ear(boost::asio::io_context& loop) : loop_(loop) {}
  void told(const WorkRecord& record) override {
    records.push_back(record);
    if (on_word) on_word();
  }
  void ended(const WorkResult& result) override {
    end = result;
    loop_.stop();
  }

  std::vector<WorkRecord> records;
  std::optional<WorkResult> end;
  std::function<void()> on_word;

 private:
  boost::asio::io_context& loop_;
};

TEST(WorkerProcesses, TheRateIsToldToAWorkerWhileItWorks) {
  boost::asio::io_context loop{1};
  WorkerProcesses workers(loop, [](std::size_t, const WorkerLink& link) {
    keep_only({link.records});  // as every worker does; what it shares with us and can write is gone then
    tell(link.records, WorkPlanned{link.rate->load(), 0});
    while (link.rate->load() != 7) ::usleep(1000);
    tell(link.records, WorkResult{});
  });
  Ear ear(loop);
  const auto worker = workers.start(0, {42}, ear);
  ear.on_word = [&] { worker->set_rate({7}); };
  loop.run();
  EXPECT_EQ(ear.records, (std::vector<WorkRecord>{WorkPlanned{42, 0}}));
  EXPECT_EQ(ear.end, WorkResult{});
}

/// Is this address part of this process?
bool is_mapped(const void* address) {
  const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(address) & ~std::uintptr_t{4095};
  unsigned char resident = 0;
  return ::mincore(reinterpret_cast<void*>(page), 1, &resident) == 0;
}

TEST(WorkerProcesses, AWorkerCannotSeeTheRateOfAnother) {
  boost::asio::io_context loop{1};
  const std::atomic<std::uint64_t>* first_rate = nullptr;
  WorkerProcesses workers(loop, [&](std::size_t peer, const WorkerLink& link) {
    if (peer == 0) {
      tell(link.records, WorkPlanned{reinterpret_cast<std::uintptr_t>(link.rate.get()), 0});
      ::pause();
    }
    tell(link.records, WorkPlanned{is_mapped(first_rate) ? 1U : 0U, is_mapped(link.rate.get()) ? 1U : 0U});
    tell(link.records, WorkResult{});
  });
  Ear first(loop), second(loop);
  const auto one = workers.start(0, {1}, first);
  std::unique_ptr<RunningWorker> other;
  first.on_word = [&] {
    const auto address = static_cast<std::uintptr_t>(std::get<WorkPlanned>(first.records[0]).files);
    first_rate = reinterpret_cast<const std::atomic<std::uint64_t>*>(address);
    other = workers.start(1, {1}, second);
  };
  loop.run();
  ASSERT_NE(first_rate, nullptr);
  EXPECT_TRUE(is_mapped(first_rate)) << "the supervisor has it";
  EXPECT_EQ(second.records, (std::vector<WorkRecord>{WorkPlanned{0, 1}}));
}

TEST(WorkerProcesses, AWorkerThatIsLetGoOfIsKilledAndReaped) {
  boost::asio::io_context loop{1};
  WorkerProcesses workers(loop, [](std::size_t, const WorkerLink&) { ::pause(); });
  Ear ear(loop);
  for (int i = 0; i < 3; ++i) workers.start(0, {}, ear).reset();
  workers.settle(std::chrono::seconds(10));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  EXPECT_EQ(errno, ECHILD);
  loop.run();  // nothing is left to wait for
  EXPECT_EQ(ear.end, std::nullopt);
}

TEST(WorkerProcesses, TheLoopReapsThoseThatNobodyWaitsFor) {
  boost::asio::io_context loop{1};
  {
    WorkerProcesses workers(loop, [](std::size_t, const WorkerLink&) { ::pause(); });
    Ear ear(loop);
    workers.start(0, {}, ear).reset();
  }
  loop.run();  // until it is reaped
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST(WorkerProcesses, ALoopThatGoesTakesTheWorkersWithIt) {
  auto loop = std::make_unique<boost::asio::io_context>(1);
  {
    WorkerProcesses workers(*loop, [](std::size_t, const WorkerLink&) { ::pause(); });
    Ear ear(*loop);
    workers.start(0, {}, ear).reset();
  }
  loop.reset();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST(WorkerProcesses, AWorkerMayBeLetGoOfWhenItTellsSomething) {
  boost::asio::io_context loop{1};
  WorkerProcesses workers(loop, [](std::size_t, const WorkerLink& link) {
    for (int i = 0; i < 100; ++i) tell(link.records, WorkPlanned{1, 1});
    ::pause();
  });
  Ear ear(loop);
  std::unique_ptr<RunningWorker> worker = workers.start(0, {}, ear);
  ear.on_word = [&] { worker.reset(); };
  loop.run();
  EXPECT_EQ(ear.records.size(), 1U);
  EXPECT_EQ(ear.end, std::nullopt);
}

/// Fetches as fast as it may until a time, and tells how much that was.
void fetch_until(std::chrono::steady_clock::time_point end, const WorkerLink& link) {
  peers::staging::Throttle throttle(link.rate);
  std::uint64_t bytes = 0;
  while (std::chrono::steady_clock::now() < end) {
    throttle.take(10'000);
    bytes += 10'000;
    while (throttle.wait() > std::chrono::nanoseconds(0) && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(throttle.wait(), milliseconds(10)));
  }
  WorkResult result;
  result.bytes = bytes;
  tell(link.records, result);
}

TEST(WorkerProcesses, TogetherTheyKeepTheLimitOfTheRunAndALoneOneGetsAllOfIt) {
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  const auto begin = std::chrono::steady_clock::now();
  WorkerProcesses workers(loop, [begin](std::size_t peer, const WorkerLink& link) {
    fetch_until(begin + (peer == 0 ? milliseconds(2000) : milliseconds(1000)), link);
  });
  PoolLimits limits;
  limits.bandwidth = {2'000'000};
  PoolRecorder recorder;
  Supervisor supervisor(pool_of(4), limits, timeline, workers, recorder);
  recorder.on_over = [&] { loop.stop(); };
  supervisor.start();
  loop.run();
  std::uint64_t sum = 0;
  for (const PeerOutcome& outcome : recorder.outcomes) sum += outcome.result.bytes;
  // A quarter each for a second, then the second's worth for the one that is left; each had 10 kB and a tenth
  // of a second to begin with.
  EXPECT_LE(sum, 2'000'000U * 2 + 2'000'000U / 10 * 2 + 4 * 10'000U);
  EXPECT_GE(recorder.outcomes[0].result.bytes, 1'500'000U) << "it had the whole line in the end";
}

}  // namespace
}  // namespace peerstage::daemon
