#include "daemon/managed_step.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "peers/connected_peer.h"
#include "tests/support/fake_connection.h"

namespace peerstage::daemon {
namespace {

using peers::FailureKind;

class EventTexts final : public peers::Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(peers::EventLevel, const std::string& text) override { texts.push_back(text); }

  std::vector<std::string> texts;
};

class ManagedStepTest : public testing::Test {
 protected:
  using Result = std::variant<WorkStepEnded, peers::Failure>;

  Result run(const std::function<peers::CommandResult(const peers::Command&)>& on_run) {
    auto connection = std::make_unique<peers::FakeConnection>();
    connection->on_run = on_run;
    connection->before_run = before_run_;
    peers::ConnectedPeer peer({"web1", "/c", "cback3", {}}, std::move(connection));
    return run_managed_step(peer, step_, observer_, [this] { ++begun_; });
  }

  static peers::CommandResult exits(int status, const std::string& error_output = "") {
    peers::CommandResult result;
    result.exit_status = status;
    result.error_output = error_output;
    return result;
  }

  ManagedStep step_{"collect", peers::ManagedMode::full, std::chrono::seconds(7)};
  std::function<void()> before_run_;
  EventTexts observer_;
  int begun_ = 0;
};

TEST_F(ManagedStepTest, IsOneCommandWithItsDeadline) {
  const Result result = run([](const peers::Command& command) {
    EXPECT_EQ(command.shell_line, "cback3 --full collect");
    EXPECT_EQ(command.deadline, std::chrono::seconds(7));
    return exits(0, "hello\n");
  });
  const auto& end = std::get<WorkStepEnded>(result);
  EXPECT_FALSE(end.failure);
  EXPECT_EQ(end.exit_status, 0);
  EXPECT_EQ(begun_, 1);
  EXPECT_EQ(observer_.texts, std::vector<std::string>{"collect: hello"});
}

TEST_F(ManagedStepTest, OfWhichTheCommandFailsIsOverAndSaysWhy) {
  const Result result = run([](const peers::Command&) { return exits(6, "no disk\n"); });
  const auto& end = std::get<WorkStepEnded>(result);
  EXPECT_EQ(end.failure, FailureKind::permanent);
  EXPECT_EQ(end.exit_status, 6);
  EXPECT_FALSE(end.may_go_on());
  EXPECT_EQ(end.message,
            "the managed action collect ended with exit status 6; the last that it said: no disk");
}

TEST_F(ManagedStepTest, EndedByASignalIsNoExitStatus) {
  const Result result = run([](const peers::Command&) {
    peers::CommandResult killed;
    killed.signal = "KILL\x1b";
    return killed;
  });
  const auto& end = std::get<WorkStepEnded>(result);
  EXPECT_EQ(end.signal, "KILL?");
  EXPECT_EQ(end.exit_status, std::nullopt);
  EXPECT_FALSE(end.may_go_on());
}

TEST_F(ManagedStepTest, ThatCouldNotBeBegunMayBeTriedAgain) {
  before_run_ = [] { throw peers::PeerError(FailureKind::transient, "web1 does not answer"); };
  const Result result = run([](const peers::Command&) { return exits(0); });
  EXPECT_EQ(std::get<peers::Failure>(result).kind, FailureKind::transient);
  EXPECT_EQ(begun_, 0);
}

TEST_F(ManagedStepTest, ThatWasLostAfterItsBeginningIsNeverTriedAgain) {
  const Result result = run([](const peers::Command&) -> peers::CommandResult {
    throw peers::PeerError(FailureKind::transient, "the line broke");
  });
  const auto& end = std::get<WorkStepEnded>(result);
  EXPECT_EQ(end.failure, FailureKind::permanent);
  EXPECT_TRUE(end.may_go_on());
  EXPECT_EQ(begun_, 1);
}

}  // namespace
}  // namespace peerstage::daemon
