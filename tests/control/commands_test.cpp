#include <csignal>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "daemon/catalog/catalog_json.h"
#include "daemon/control/cancel_command.h"
#include "daemon/control/control_address.h"
#include "daemon/control/start_command.h"
#include "daemon/control/status_command.h"
#include "daemon/control/steer_command.h"
#include "daemon/service/check_plugin.h"
#include "daemon/service/state_json.h"
#include "daemon/service/status_table.h"
#include "tests/control/control_fixture.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using test::FakeDaemon;

struct Outcome {
  ExitCode code;
  std::string output, errors;
};

class Commands : public testing::Test {
 protected:
  template <typename Command>
  Outcome run(ExitCode (*execute)(const Command&), Command command) {
    if (!command.address.socket) command.address.socket = server_.path();
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const ExitCode code = execute(command);
    std::string output = testing::internal::GetCapturedStdout();
    return {code, std::move(output), testing::internal::GetCapturedStderr()};
  }
  static void expect(const Outcome& outcome, ExitCode code, const std::string& output,
                     const std::string& errors) {
    EXPECT_EQ(outcome.code, code);
    EXPECT_EQ(outcome.output, output);
    EXPECT_EQ(outcome.errors, errors);
  }
  ServiceState state() {
    return server_.on_loop([](FakeDaemon& daemon) { return daemon.told_state; });
  }
  /// The run that the fake starts, as it ended.
  void let_it_end(PeerStatus status) {
    server_.on_loop([status](FakeDaemon& daemon) {
      CatalogedRun run;
      run.report.id = "run-2";
      run.over = true;
      run.report.peers = {{}, {}};
      run.report.peers[0].name = "web1";
      run.report.peers[0].status = PeerStatus::staged;
      run.report.peers[1].name = "db1";
      run.report.peers[1].status = status;
      if (status == PeerStatus::failed)
        run.report.peers[1].failure = peers::Failure{peers::FailureKind::transient, "connection refused"};
      daemon.told_state.run.reset();
      daemon.told_runs.push_back(run);
    });
  }
  void let_it_go_on() {
    server_.on_loop([](FakeDaemon& daemon) {
      daemon.told_state.run.emplace();
      daemon.told_state.run->id = "run-2";
      daemon.told_state.run->date = std::chrono::year(2026) / std::chrono::November / 20;
      daemon.told_state.run->peers = 2;
      daemon.told_state.run->done = 1;
    });
  }

  test::RunningServer server_;
};

TEST_F(Commands, StatusPrintsTheTableOrTheDocument) {
  StatusCommand command;
  expect(run(show_status, command), ExitCode::ok, status_table(state(), {}), "");
  command.json = true;
  expect(run(show_status, command), ExitCode::ok, to_json(state()), "");
}

TEST_F(Commands, StatusOfPeersIsOfThemAlone) {
  StatusCommand command;
  command.peers = {"db1"};
  command.json = true;
  ServiceState expected = state();
  expected.peers.erase(expected.peers.begin());
  expect(run(show_status, command), ExitCode::ok, to_json(expected), "");
  command = {};
  command.peers = {"../x y"};
  expect(run(show_status, command), ExitCode::error, "", "peerstage status: there is no peer ../x y\n");
}

TEST_F(Commands, StatusAsAPluginEndsWithThePluginsNumbers) {
  StatusCommand command;
  command.check = true;
  const CheckResult expected = check_result(state());
  ASSERT_EQ(expected.status, CheckStatus::warning) << "nothing was ever staged";
  expect(run(show_status, command), static_cast<ExitCode>(1), expected.line + "\n", "");
  command.peers = {"web9"};
  expect(run(show_status, command), static_cast<ExitCode>(3),
         check_impossible("there is no peer web9").line + "\n", "");
  command.peers = {};
  command.address.socket = "/nowhere/control.sock";
  expect(run(show_status, command), static_cast<ExitCode>(2),
         daemon_does_not_answer(
             "the daemon is not running: nobody listens at the control socket /nowhere/control.sock")
                 .line +
             "\n",
         "");
}

TEST_F(Commands, WatchingEndsInGoodOrderWhenItIsInterrupted) {
  StatusCommand command;
  command.watch = true;
  // To this thread alone: the others of a test would die of it, and the program has none.
  std::thread user([watching = ::pthread_self()] {
    std::this_thread::sleep_for(1500ms);  // it has been drawn, and drawn again
    ::pthread_kill(watching, SIGINT);
  });
  const Outcome outcome = run(show_status, command);
  user.join();
  const std::string table = status_table(state(), {}) + "\n";
  expect(outcome, ExitCode::ok, table + table, "");
}

TEST_F(Commands, WhereNobodyListensTheUserIsTold) {
  const std::string why =
      "the daemon is not running: nobody listens at the control socket /nowhere/control.sock\n";
  const ControlAddress nowhere{{}, "/nowhere/control.sock"};
  expect(run(show_status, StatusCommand{nowhere, {}, false, false, false}), ExitCode::error, "",
         "peerstage status: " + why);
  expect(run(start_run, StartCommand{nowhere, "nightly", {}, false, false, false}), ExitCode::error, "",
         "peerstage run: " + why);
  expect(run(cancel_run, CancelCommand{nowhere, "", false}), ExitCode::error, "", "peerstage cancel: " + why);
  expect(run(steer_daemon, SteerCommand{nowhere, SteerCommand::What::resume, false}), ExitCode::error, "",
         "peerstage resume: " + why);
}

TEST_F(Commands, WhereNobodyListensADocumentSaysSoToo) {
  const std::string why =
      "the daemon is not running: nobody listens at the control socket /nowhere/control.sock";
  const std::string document = "{\n  \"version\": 1,\n  \"error\": \"" + why + "\"\n}\n";
  const ControlAddress nowhere{{}, "/nowhere/control.sock"};
  expect(run(show_status, StatusCommand{nowhere, {}, false, true, false}), ExitCode::error, document,
         "peerstage status: " + why + "\n");
  expect(run(start_run, StartCommand{nowhere, "nightly", {}, false, false, true}), ExitCode::error, document,
         "peerstage run: " + why + "\n");
  expect(run(cancel_run, CancelCommand{nowhere, "", true}), ExitCode::error, document,
         "peerstage cancel: " + why + "\n");
  expect(run(steer_daemon, SteerCommand{nowhere, SteerCommand::What::reload, true}), ExitCode::error,
         document, "peerstage reload: " + why + "\n");
}

TEST_F(Commands, RunStartsAJobOrPeers) {
  StartCommand command;
  command.job = "nightly";
  expect(run(start_run, command), ExitCode::ok, "The run run-2 begins as soon as it may.\n", "");
  command = {};
  command.peers = {"web1", "a\"b"};
  command.full = true;
  command.json = true;
  expect(run(start_run, command), ExitCode::ok,
         "{\n  \"version\": 1,\n  \"run\": {\n    \"id\": \"run-2\"\n  }\n}\n", "");
  EXPECT_EQ(server_.asked(), (std::vector<std::string>{"job nightly", "full peers web1 a\"b"}));
}

TEST_F(Commands, RunSaysWhyItWasRefused) {
  server_.on_loop([](FakeDaemon& daemon) {
    daemon.refusal = Refusal{Refusal::Kind::unknown, "there is no job hourly"};
  });
  StartCommand command;
  command.job = "hourly";
  expect(run(start_run, command), ExitCode::error, "", "peerstage run: there is no job hourly\n");
}

TEST_F(Commands, FollowingARunEndsAsTheRunDid) {
  StartCommand command;
  command.job = "nightly";
  command.follow = true;
  let_it_end(PeerStatus::staged);
  expect(run(start_run, command), ExitCode::ok, "run run-2: ok\n", "");
  server_.on_loop([](FakeDaemon& daemon) { daemon.told_runs.clear(); });
  let_it_end(PeerStatus::failed);
  expect(run(start_run, command), ExitCode::peer_failed,
         "peer db1: failed: connection refused\nrun run-2: failed\n", "");
  command.json = true;
  const auto document = server_.on_loop([](FakeDaemon& daemon) { return to_json(daemon.told_runs.front()); });
  expect(run(start_run, command), ExitCode::peer_failed, document, "");
}

TEST_F(Commands, FollowingShowsHowTheRunGoes) {
  let_it_go_on();
  StartCommand command;
  command.job = "nightly";
  command.follow = true;
  std::thread daemon([this] {
    std::this_thread::sleep_for(700ms);
    let_it_end(PeerStatus::not_ready);
  });
  const Outcome outcome = run(start_run, command);
  daemon.join();
  expect(outcome, ExitCode::not_ready,
         "run run-2: 1 of 2 peers, 0 B of 0 B\npeer db1: not_ready\nrun run-2: not_ready\n", "");
}

TEST_F(Commands, ARunThatNobodyKnowsIsLostSightOf) {
  StartCommand command;
  command.job = "nightly";
  command.follow = true;
  expect(run(start_run, command), ExitCode::error, "",
         "peerstage run: how the run run-2 ends is not known: there is no such run\n");
}

TEST_F(Commands, CancelEndsTheRunThatIsNamedOrTheOneThatIsGoingOn) {
  expect(run(cancel_run, CancelCommand{}), ExitCode::ok,
         "The run run-2 is being ended; what was published stays.\n", "");
  EXPECT_EQ(run(cancel_run, CancelCommand{{}, "a/b", true}).code, ExitCode::ok);
  EXPECT_EQ(server_.asked(), (std::vector<std::string>{"cancel ", "cancel a/b"}));
}

TEST_F(Commands, TheScheduleIsPausedAndGoesOn) {
  expect(run(steer_daemon, SteerCommand{}), ExitCode::ok,
         "The schedule is paused: nothing begins by itself until 'peerstage resume'.\n", "");
  expect(run(steer_daemon, SteerCommand{{}, SteerCommand::What::resume, true}), ExitCode::ok,
         "{\n  \"version\": 1,\n  \"paused\": false\n}\n", "");
}

TEST_F(Commands, AReloadShowsWhatIsWrong) {
  const SteerCommand command{{}, SteerCommand::What::reload, false};
  expect(run(steer_daemon, command), ExitCode::ok,
         "The configuration was read again; it is that of the next run.\n", "");
  server_.on_loop([](FakeDaemon& daemon) {
    daemon.told_reload = {false, {{config::Severity::error, "/etc/x.conf", 7, "stage", "it is not there"}}};
  });
  expect(run(steer_daemon, command), ExitCode::configuration, "",
         "error: /etc/x.conf:7: stage: it is not there\n"
         "peerstage reload: the configuration is wrong; the one that was in force stays\n");
}

TEST_F(Commands, CurlIsUnderstood) {
  const std::string curl = "curl --silent --max-time 20 --unix-socket " + server_.path() + " ";
  if (std::system("curl --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no curl here";
  testing::internal::CaptureStdout();
  EXPECT_EQ(std::system((curl + "http://localhost/v1/status").c_str()), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), to_json(state()));
  testing::internal::CaptureStdout();
  EXPECT_EQ(std::system((curl + "--json '{\"job\": \"nightly\"}' -o /dev/null -w '%{http_code}' "
                                "http://localhost/v1/runs")
                            .c_str()),
            0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "202");
}

TEST(FindDaemon, TheSocketIsGivenOrConfiguredOrTheDefault) {
  const ControlPlace given = find_daemon({"/nowhere.conf", "/x.sock"});
  EXPECT_EQ(given.socket, "/x.sock");
  EXPECT_EQ(given.doubt, "");
  const ControlPlace fallback = find_daemon({"/nowhere.conf", {}});
  EXPECT_EQ(fallback.socket, "/run/peerstage/control.sock");
  EXPECT_EQ(
      fallback.doubt,
      "That is the default: the configuration /nowhere.conf cannot be used, and --socket says where else to "
      "ask");
}

TEST(FindDaemon, AConfigurationThatIsWrongStillSaysWhereTheDaemonListens) {
  const test::TemporaryDirectory temporary;
  const std::string path = temporary.write(
      "peerstage.conf",
      "<cb_config><peerstage><daemon><job><name>nightly</name><schedule>99 * * * *</schedule></job>"
      "<control_socket>/somewhere/control.sock</control_socket></daemon></peerstage></cb_config>");
  const ControlPlace place = find_daemon({path, {}});
  EXPECT_EQ(place.socket, "/somewhere/control.sock");
  EXPECT_EQ(place.doubt, "");
}

}  // namespace
}  // namespace peerstage::daemon
