#include "daemon/supervisor.h"

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/termination.h"

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

class Recorder : public PoolObserver {
 public:
  void started(std::size_t peer, unsigned attempt) override {
    starts.push_back({peer, attempt});
    most_running = std::max(most_running, ++running);
    if (on_start) on_start();
  }
  void planned(std::size_t, const WorkPlanned& plan) override { planned_files += plan.files; }
  void progress(std::size_t, const WorkProgress&) override {}
  void event(std::size_t, const WorkEvent& event) override { events.push_back(event.text); }
  void put_off(std::size_t, const WorkResult&, milliseconds) override {
    ++put_offs;
    --running;
  }
  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    order.push_back(peer);
    outcomes.resize(std::max(outcomes.size(), peer + 1));
    outcomes[peer] = outcome;
    --running;
  }
  void tick() override {}

  std::vector<std::pair<std::size_t, unsigned>> starts;
  std::vector<std::size_t> order;
  std::vector<PeerOutcome> outcomes;
  std::vector<std::string> events;
  std::function<void()> on_start;
  std::uint64_t planned_files = 0;
  int put_offs = 0, running = 0, most_running = 0;
};

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

std::vector<config::StagingSettings> peers(std::size_t count) {
  config::StagingSettings settings;
  settings.retry_delay = milliseconds(1);
  settings.poll_interval = milliseconds(1);
  return std::vector<config::StagingSettings>(count, settings);
}

TEST(Supervisor, EveryPeerEndsWithWhatItsWorkerTold) {
  Recorder recorder;
  Supervisor supervisor(
      peers(3), 8,
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
  EXPECT_EQ(supervisor.run(), RunEnd::complete);
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

TEST(Supervisor, NoMorePeersRunThanAllowed) {
  Recorder recorder;
  Supervisor supervisor(
      peers(12), 3, [](std::size_t, int descriptor) { tell(descriptor, WorkResult{}); }, recorder);
  supervisor.run();
  EXPECT_EQ(recorder.order.size(), 12U);
  EXPECT_EQ(recorder.most_running, 3);
}

TEST(Supervisor, ATransientFailureIsTriedAgainAndCounted) {
  Recorder recorder;
  const Counter counter;
  Supervisor supervisor(
      peers(1), 1,
      [&](std::size_t, int descriptor) {
        if (counter.next() < 3)
          tell_failure(descriptor, FailureKind::transient);
        else
          tell(descriptor, WorkResult{});
      },
      recorder);
  supervisor.run();
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].attempts, 3U);
  EXPECT_EQ(recorder.put_offs, 2);
}

TEST(Supervisor, APeerThatChangedInAnEarlierAttemptStaysChanged) {
  Recorder recorder;
  const Counter counter;
  Supervisor supervisor(
      peers(1), 1,
      [&](std::size_t, int descriptor) {
        WorkResult result;
        if (counter.next() == 1) {
          result.change = TreeChange::changed;
          result.failure = FailureKind::transient;
        }
        tell(descriptor, result);
      },
      recorder);
  supervisor.run();
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].result.change, TreeChange::changed);
}

TEST(Supervisor, APeerThatIsNotReadyIsLookedAtAgainWithoutCountingAnAttempt) {
  Recorder recorder;
  const Counter counter;
  auto patient = peers(1);
  patient[0].wait_for_collect = std::chrono::minutes(1);
  Supervisor supervisor(
      patient, 1,
      [&](std::size_t, int descriptor) {
        if (counter.next() < 3)
          tell_failure(descriptor, FailureKind::not_ready);
        else
          tell(descriptor, WorkResult{});
      },
      recorder);
  supervisor.run();
  EXPECT_EQ(recorder.outcomes[0].result.failure, std::nullopt);
  EXPECT_EQ(recorder.outcomes[0].attempts, 1U);
  EXPECT_EQ(recorder.starts.size(), 3U);
}

TEST(Supervisor, AWorkerThatDiesFailsItsPeerAndNoOther) {
  Recorder recorder;
  Supervisor supervisor(
      peers(2), 2,
      [](std::size_t peer, int descriptor) {
        if (peer == 0) std::raise(SIGKILL);
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::permanent);
  EXPECT_NE(recorder.outcomes[0].result.message.find("KILL"), std::string::npos);
  EXPECT_EQ(recorder.outcomes[1].result.failure, std::nullopt);
}

TEST(Supervisor, AWorkerThatBreaksTheProtocolIsKilled) {
  Recorder recorder;
  Supervisor supervisor(
      peers(1), 1,
      [](std::size_t, int descriptor) {
        if (::write(descriptor, "\xff\xff\xff\xff", 4) == 4) ::pause();
      },
      recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::hostile);
}

TEST(Supervisor, APeerThatIsWaitedForUntilItsDeadlineWasNotReady) {
  Recorder recorder;
  auto late = peers(1);
  late[0].deadline = milliseconds(50);
  late[0].wait_for_collect = late[0].poll_interval = std::chrono::hours(1);
  Supervisor supervisor(
      late, 1, [](std::size_t, int descriptor) { tell_failure(descriptor, FailureKind::not_ready); },
      recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::complete);
  EXPECT_EQ(recorder.put_offs, 1);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::not_ready);
  EXPECT_EQ(recorder.outcomes[0].result.message, "so it goes");
}

TEST(Supervisor, AWorkerBeyondItsDeadlineIsKilledAndTheOthersGoOn) {
  Recorder recorder;
  auto hurried = peers(2);
  hurried[0].deadline = milliseconds(50);
  Supervisor supervisor(
      hurried, 1,
      [](std::size_t peer, int descriptor) {
        if (peer == 0) ::pause();
        tell(descriptor, WorkResult{});
      },
      recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::complete);
  EXPECT_EQ(recorder.outcomes[0].result.failure, FailureKind::transient);
  EXPECT_NE(recorder.outcomes[0].result.message.find("0.05 s"), std::string::npos);
  EXPECT_EQ(recorder.outcomes[1].result.failure, std::nullopt);
}

TEST(Supervisor, TerminationCancelsWhatIsNotDone) {
  Recorder recorder;
  recorder.on_start = [] { std::raise(SIGTERM); };
  Supervisor supervisor(
      peers(3), 1, [](std::size_t, int) { ::pause(); }, recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::interrupted);
  ASSERT_EQ(recorder.outcomes.size(), 3U);
  for (const PeerOutcome& outcome : recorder.outcomes) EXPECT_TRUE(outcome.cancelled);
}

TEST(Supervisor, TerminationThatWasHeldBackBeforeCancelsTheRun) {
  const TerminationHeldBack held_back;
  std::raise(SIGTERM);
  Recorder recorder;
  Supervisor supervisor(
      peers(3), 3, [](std::size_t, int) { ::pause(); }, recorder);
  EXPECT_EQ(supervisor.run(), RunEnd::interrupted);
}

TEST(Supervisor, TerminationAfterTheEndIsDropped) {
  {
    const TerminationHeldBack held_back;
    Recorder recorder;
    Supervisor supervisor(
        peers(1), 1, [](std::size_t, int descriptor) { tell(descriptor, WorkResult{}); }, recorder);
    EXPECT_EQ(supervisor.run(), RunEnd::complete);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::raise(signal);
  }
  SUCCEED() << "and this process is still there";
}

TEST(Supervisor, AFloodOfMessagesIsCut) {
  Recorder recorder;
  Supervisor supervisor(
      peers(1), 1,
      [](std::size_t, int descriptor) {
        for (int i = 0; i < 5000; ++i) tell(descriptor, WorkEvent{peers::EventLevel::info, "again"});
        for (int i = 0; i < 12'000; ++i) tell(descriptor, WorkSkipped{"x", "fifo"});
        tell(descriptor, WorkResult{});
      },
      recorder);
  supervisor.run();
  EXPECT_EQ(recorder.events.size(), 1000U);
  EXPECT_EQ(recorder.outcomes[0].skipped.size(), 10'000U);
  EXPECT_EQ(recorder.outcomes[0].skipped_unlisted, 2'000U);
}

}  // namespace
}  // namespace peerstage::daemon
