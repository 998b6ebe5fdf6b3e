#include "daemon/service/notification.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peerstage::daemon {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::hours;
using std::chrono::seconds;
using Time = std::chrono::system_clock::time_point;

const Time half_past_two{seconds(1795141800)};  // 2026-11-20T02:30:00Z

PeerReport peer(const std::string& name, PeerStatus status) {
  PeerReport report;
  report.name = name;
  report.status = status;
  if (status == PeerStatus::failed)
    report.failure = {peers::FailureKind::transient, "no answer from " + name};
  return report;
}

RunReport run(std::vector<PeerReport> peers) {
  RunReport report;
  report.id = "20261120T023000Z-7";
  report.date = {std::chrono::year(2026), std::chrono::month(11), std::chrono::day(20)};
  report.started = half_past_two;
  report.finished = half_past_two + seconds(7);
  report.peers = std::move(peers);
  return report;
}

TEST(RunNotification, of_a_failure_names_the_peers_and_holds_the_whole_run) {
  const RunReport report = run({peer("web1", PeerStatus::staged), peer("web2", PeerStatus::failed)});
  const Notification told = run_notification(config::NotifyOn::failure, report, "nightly", "master");
  EXPECT_EQ(told.event, config::NotifyOn::failure);
  EXPECT_EQ(told.run, report.id);
  EXPECT_EQ(told.job, "nightly");
  EXPECT_EQ(told.status, "failed");
  EXPECT_EQ(told.subject, "peerstage on master: nightly: failed with 1 of 2 peers: web2");
  EXPECT_EQ(told.body,
            "Run 20261120T023000Z-7 of 2026-11-20, job nightly, on master: failed with 1 of 2 peers: web2.\n"
            "Begun 2026-11-20T02:30:00Z, ended 2026-11-20T02:30:07Z.\n\n" +
                summary_table(report));
  Json expected{{"version", 1}, {"event", "failure"}, {"job", "nightly"}, {"host", "master"}};
  const Json document = Json::parse(to_json(report));
  expected["run"] = document["run"];
  expected["peers"] = document["peers"];
  EXPECT_EQ(told.document, expected.dump(2) + "\n");
}

struct SubjectCase {
  const char* name;
  config::NotifyOn event;
  std::vector<PeerStatus> peers;
  const char* subject;
};

class Subject : public ::testing::TestWithParam<SubjectCase> {};

TEST_P(Subject, says_what_happened) {
  std::vector<PeerReport> peers;
  for (const PeerStatus status : GetParam().peers)
    peers.push_back(peer("p" + std::to_string(peers.size()), status));
  EXPECT_EQ(run_notification(GetParam().event, run(peers), "", "m").subject, GetParam().subject);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Subject,
    ::testing::Values(
        SubjectCase{
            "ok", config::NotifyOn::always, {PeerStatus::staged}, "peerstage on m: stage: ok, 1 peer"},
        SubjectCase{"recovered",
                    config::NotifyOn::recovery,
                    {PeerStatus::staged, PeerStatus::unchanged},
                    "peerstage on m: stage: ok again, 2 peers"},
        SubjectCase{"not_ready",
                    config::NotifyOn::failure,
                    {PeerStatus::not_ready, PeerStatus::staged},
                    "peerstage on m: stage: 1 of 2 peers not ready: p0"},
        SubjectCase{"many", config::NotifyOn::failure, std::vector(7, PeerStatus::failed),
                    "peerstage on m: stage: failed with 7 of 7 peers: p0, p1, p2, p3, p4 and 2 more"},
        SubjectCase{"cancelled",
                    config::NotifyOn::always,
                    {PeerStatus::cancelled},
                    "peerstage on m: stage: interrupted"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(StaleNotification, names_peers_and_ages) {
  const Notification told = stale_notification({{"web1", half_past_two - hours(48)}, {"web2", std::nullopt}},
                                               "master", half_past_two);
  EXPECT_EQ(told.subject, "peerstage on master: 2 peers stale: web1, web2");
  EXPECT_EQ(told.status, "stale");
  EXPECT_EQ(told.body,
            "These peers have had no good stage for too long (stale_after):\n\n"
            "web1: last staged 2d00h ago, 2026-11-18T02:30:00Z\nweb2: was never staged\n");
  const Json expected = {{"version", 1},
                         {"event", "stale"},
                         {"host", "master"},
                         {"peers",
                          {{{"name", "web1"}, {"last_good", "2026-11-18T02:30:00Z"}, {"age_seconds", 172800}},
                           {{"name", "web2"}, {"last_good", nullptr}, {"age_seconds", nullptr}}}}};
  EXPECT_EQ(told.document, expected.dump(2) + "\n");
}

}  // namespace
}  // namespace peerstage::daemon
