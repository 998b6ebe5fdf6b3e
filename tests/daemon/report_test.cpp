#include "daemon/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peerstage::daemon {
namespace {

using nlohmann::json;
using peers::FailureKind;
using testing::HasSubstr;

struct Verdict {
  const char* name;
  std::vector<PeerStatus> peers;
  Interruption interruption;
  std::optional<RunError::Reason> error;
  RunStatus status;
  ExitCode exit_code;
};

class RunVerdict : public testing::TestWithParam<Verdict> {};

TEST_P(RunVerdict, is_that_of_the_worst_required_peer) {
  RunReport report;
  for (const auto status : GetParam().peers) report.peers.emplace_back().status = status;
  report.interruption = GetParam().interruption;
  if (GetParam().error) report.error = RunError{*GetParam().error, "no"};
  EXPECT_EQ(status(report), GetParam().status);
  EXPECT_EQ(exit_code(report), GetParam().exit_code);
}

using P = PeerStatus;
constexpr auto none = Interruption::none;
constexpr auto by_signal = Interruption::by_signal;
constexpr auto no_error = std::nullopt;

const std::vector<Verdict> verdicts{
    {"no_peers", {}, none, no_error, RunStatus::ok, ExitCode::ok},
    {"staged", {P::staged}, none, no_error, RunStatus::ok, ExitCode::ok},
    {"unchanged", {P::unchanged}, none, no_error, RunStatus::ok, ExitCode::ok},
    {"ignored_is_as_good_as_staged", {P::staged, P::ignored}, none, no_error, RunStatus::ok, ExitCode::ok},
    {"not_ready",
     {P::staged, P::not_ready, P::ignored},
     none,
     no_error,
     RunStatus::not_ready,
     ExitCode::not_ready},
    {"failed", {P::staged, P::failed}, none, no_error, RunStatus::failed, ExitCode::peer_failed},
    {"failed_before_not_ready",
     {P::failed, P::not_ready},
     none,
     no_error,
     RunStatus::failed,
     ExitCode::peer_failed},
    {"failed_after_not_ready",
     {P::not_ready, P::failed},
     none,
     no_error,
     RunStatus::failed,
     ExitCode::peer_failed},
    {"error", {}, none, RunError::Reason::unusable, RunStatus::error, ExitCode::error},
    {"error_with_failed_peer",
     {P::failed},
     none,
     RunError::Reason::unusable,
     RunStatus::error,
     ExitCode::error},
    {"asked_for_nonsense",
     {},
     none,
     RunError::Reason::command_line,
     RunStatus::error,
     ExitCode::command_line},
    {"locked", {}, none, RunError::Reason::locked, RunStatus::error, ExitCode::locked},
    {"interrupted",
     {P::staged, P::cancelled},
     by_signal,
     no_error,
     RunStatus::interrupted,
     ExitCode::interrupted},
    {"interrupted_after_a_failure",
     {P::failed, P::cancelled},
     by_signal,
     no_error,
     RunStatus::interrupted,
     ExitCode::interrupted},
    {"interrupted_before_any_peer", {}, by_signal, no_error, RunStatus::interrupted, ExitCode::interrupted},
    {"interrupted_with_error",
     {P::staged},
     by_signal,
     RunError::Reason::unusable,
     RunStatus::interrupted,
     ExitCode::interrupted},
    {"cancelled_peer_is_never_a_success",
     {P::cancelled},
     none,
     no_error,
     RunStatus::interrupted,
     ExitCode::interrupted},
};

INSTANTIATE_TEST_SUITE_P(Report, RunVerdict, testing::ValuesIn(verdicts),
                         [](const auto& test) { return std::string(test.param.name); });

RunReport two_peers() {
  using namespace std::chrono;
  RunReport report;
  report.id = "20261120-1";
  report.date = year_month_day(year(2026), month(1), day(2));
  report.started = sys_days(report.date) + hours(3) + minutes(4) + seconds(5);
  report.finished = report.started + seconds(61);
  report.daily_dir = "/backup/2026/01/02";
  report.peers.push_back({"web1",
                          PeerType::remote,
                          PeerStatus::staged,
                          12,
                          123'456,
                          3,
                          1,
                          milliseconds(840),
                          {{"a/so\xff"
                            "ck",
                            "socket"},
                           {"link", "symlink"}},
                          0,
                          std::nullopt,
                          {}});
  report.peers.push_back({"db",
                          PeerType::local,
                          PeerStatus::failed,
                          0,
                          0,
                          0,
                          4,
                          seconds(95),
                          {},
                          0,
                          peers::Failure{FailureKind::transient, "cannot read /x on db"},
                          {}});
  return report;
}

TEST(ReportAsJson, has_exactly_the_promised_fields) {
  const json document = json::parse(to_json(two_peers()));
  const json expected = json::parse(R"({
    "version": 1,
    "run": {"id": "20261120-1", "action": "stage", "date": "2026-01-02", "started": "2026-01-02T03:04:05Z",
            "finished": "2026-01-02T03:05:06Z", "daily_dir": "/backup/2026/01/02", "status": "failed",
            "exit_code": 7, "error": null},
    "peers": [
      {"name": "web1", "type": "remote", "status": "staged", "files": 12, "bytes": 123456, "reused_files": 3,
       "attempts": 1, "seconds": 0.84,
       "skipped": [{"name": "a/so\\xffck", "reason": "socket"}, {"name": "link", "reason": "symlink"}],
       "error": null},
      {"name": "db", "type": "local", "status": "failed", "files": 0, "bytes": 0, "reused_files": 0,
       "attempts": 4, "seconds": 95.0, "skipped": [],
       "error": {"kind": "transient", "message": "cannot read /x on db"}}]})");
  EXPECT_EQ(document, expected) << document.dump(2);
}

TEST(ReportAsJson, of_a_locked_run_has_no_peers_and_says_why) {
  RunReport report;
  report.error = RunError{RunError::Reason::locked, "another run holds /backup"};
  const json document = json::parse(to_json(report));
  EXPECT_EQ(document["run"]["error"], "another run holds /backup");
  EXPECT_EQ(document["run"]["exit_code"], 75);
  EXPECT_EQ(document["run"]["status"], "error");
  EXPECT_EQ(document["peers"], json::array());
}

TEST(ReportAsJson, keeps_sizes_beyond_32_bits) {
  RunReport report = two_peers();
  report.peers[0].bytes = 1ULL << 60U;
  EXPECT_EQ(json::parse(to_json(report))["peers"][0]["bytes"], 1ULL << 60U);
}

TEST(ReportAsJson, survives_a_message_that_is_not_utf8) {
  RunReport report = two_peers();
  report.peers[1].failure->message = "bad \xff";
  EXPECT_TRUE(json::accept(to_json(report)));
}

TEST(SummaryTable, is_aligned_and_says_what_failed_and_what_was_left_out) {
  EXPECT_EQ(summary_table(two_peers()),
            "peer  type    status  files    size  reused  attempts   time\n"
            "web1  remote  staged     12  121 KB       3         1  0.8 s\n"
            "db    local   failed      0     0 B       0         4  1m35s\n"
            "db: cannot read /x on db\n"
            "web1: left out: 2 (socket 1, symlink 1)\n");
}

TEST(SummaryTable, counts_entries_left_out_that_nobody_listed) {
  RunReport report = two_peers();
  report.peers[0].skipped_unlisted = 40;
  EXPECT_THAT(summary_table(report), HasSubstr("web1: left out: 42 (socket 1, symlink 1, not listed 40)\n"));
}

TEST(SummaryTable, of_a_run_without_peers_is_its_error_alone) {
  RunReport report;
  report.error = RunError{RunError::Reason::unusable, "the disk is full"};
  EXPECT_EQ(summary_table(report), "the disk is full\n");
}

TEST(RunReportJson, HasActionsOnlyWhereThereAreAny) {
  RunReport report;
  report.peers.emplace_back().status = PeerStatus::staged;
  EXPECT_EQ(to_json(report).find("actions"), std::string::npos);

  ActionReport& purge = report.peers[0].actions.emplace_back();
  purge.action = "purge";
  purge.status = ActionReport::Status::failed;
  purge.signal = "KILL";
  EXPECT_EQ(status(report), RunStatus::ok) << "the peer's status has it already";
  const std::string text = to_json(report);
  EXPECT_NE(text.find("\"status\": \"failed\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"signal\": \"KILL\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"exit_status\": null"), std::string::npos) << text;

  report.actions.push_back(purge);
  EXPECT_EQ(status(report), RunStatus::failed) << "what this machine failed to do is the run's own";
}

}  // namespace
}  // namespace peerstage::daemon
