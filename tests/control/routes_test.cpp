#include "daemon/control/routes.h"

#include <gtest/gtest.h>

#include "daemon/catalog/catalog_json.h"
#include "daemon/service/metrics.h"
#include "daemon/service/state_json.h"
#include "tests/control/fake_daemon.h"

namespace peerstage::daemon {
namespace {

using Asked = std::vector<std::string>;

class Routes : public testing::Test {
 protected:
  ApiAnswer ask(const std::string& method, const std::string& target, const std::string& body = "",
                Access access = Access::full) {
    return respond({method, target, body, access}, daemon_);
  }
  void expect_error(const ApiAnswer& answer, unsigned status, const std::string& sentence) {
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, "{\n  \"error\": \"" + sentence + "\"\n}\n");
    EXPECT_EQ(answer.content_type, "application/json");
  }

  test::FakeDaemon daemon_;
};

TEST_F(Routes, StatusIsTheDocumentOfTheState) {
  const ApiAnswer answer = ask("GET", "/v1/status");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, to_json(daemon_.told_state));
  EXPECT_EQ(ask("HEAD", "/v1/status").body, answer.body) << "whose length is told";
}

TEST_F(Routes, StatusOfSomePeersLeavesTheOthersOut) {
  ServiceState expected = daemon_.told_state;
  expected.peers.erase(expected.peers.begin());
  EXPECT_EQ(ask("GET", "/v1/status?peer=db1").body, to_json(expected));
  EXPECT_EQ(ask("GET", "/v1/status?peer=db1&peer=web1").body, to_json(daemon_.told_state));
  expected.peers.clear();
  EXPECT_EQ(ask("GET", "/v1/status?peers=none").body, to_json(expected));
  expect_error(ask("GET", "/v1/status?peer=db1&peer=..%2Fx%1b"), 400, "the path of the request is none");
  expect_error(ask("GET", "/v1/status?peer=..%2Fx%C2%9B"), 404, "there is no peer ../x\\\\xc2\\\\x9b");
  expect_error(ask("GET", "/v1/status?peers=all"), 400, "'peers' may be none, and nothing else");
  expect_error(ask("GET", "/v1/status?pear=db1"), 400, "nobody knows 'pear' in this query");
}

TEST_F(Routes, APeerStandsAloneAsItStandsInTheState) {
  const ApiAnswer answer = ask("GET", "/v1/peers/db1");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body.substr(0, 31), "{\n  \"version\": 1,\n  \"peer\": {\n ");
  EXPECT_NE(answer.body.find("\"name\": \"db1\""), std::string::npos);
  expect_error(ask("GET", "/v1/peers/web9"), 404, "there is no peer web9");
  EXPECT_LT(ask("GET", "/v1/peers/" + std::string(5000, 'a')).body.size(), 200U) << "a bounded quote";
}

TEST_F(Routes, JobsStandAlone) {
  const ApiAnswer answer = ask("GET", "/v1/jobs");
  EXPECT_EQ(answer.body.substr(0, 28), "{\n  \"version\": 1,\n  \"jobs\": ");
  EXPECT_NE(answer.body.find("\"name\": \"nightly\""), std::string::npos);
}

TEST_F(Routes, MetricsAreText) {
  const ApiAnswer answer = ask("GET", "/metrics");
  EXPECT_EQ(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(answer.body, metrics_text(daemon_.told_state));
}

TEST_F(Routes, HistoryIsNotAskedForFromBeforeTheClockBegins) {
  expect_error(ask("GET", "/v1/runs?since=1370-02-02"), 400,
               "'since' has to be a time like 2026-11-20T01:30:00Z, or a day like 2026-11-20");
  EXPECT_EQ(daemon_.asked, Asked{});
}

TEST_F(Routes, HistoryIsAskedForAsTheQuerySays) {
  EXPECT_EQ(ask("GET", "/v1/runs").body, to_json(daemon_.told_runs));
  ask("GET", "/v1/runs?peer=web1&since=1970-01-02&limit=7");
  EXPECT_EQ(daemon_.asked, (Asked{"history - - 100", "history web1 86400 7"}));
  expect_error(ask("GET", "/v1/runs?since=yesterday"), 400,
               "'since' has to be a time like 2026-11-20T01:30:00Z, or a day like 2026-11-20");
  for (const char* limit : {"0", "-1", "1001", "", "1x", "99999999999999999999"})
    expect_error(
        ask("GET", "/v1/runs?limit=" + std::string(limit)), 400,
        "'limit' has to be a number from 1 to 1000, which is the most for as many peers as there are");
}

TEST_F(Routes, TheHistoryOfALargePoolIsBoundedByWhatFitsIntoAnAnswer) {
  for (int i = 0; i < 9'998; ++i) daemon_.add_peer("p" + std::to_string(i));
  ask("GET", "/v1/runs");
  ask("GET", "/v1/runs?peer=web1&limit=1000");
  EXPECT_EQ(daemon_.asked, (Asked{"history - - 2", "history web1 - 1000"}));
  expect_error(ask("GET", "/v1/runs?limit=3"), 400,
               "'limit' has to be a number from 1 to 2, which is the most for as many peers as there are");
}

TEST_F(Routes, ARunIsItsDocument) {
  EXPECT_EQ(ask("GET", "/v1/runs/run-1").body, to_json(daemon_.told_runs.front()));
  expect_error(ask("GET", "/v1/runs/..%2F..%2Fetc"), 404, "there is no such run");
  EXPECT_EQ(daemon_.asked, (Asked{"run run-1", "run ../../etc"}));
}

TEST_F(Routes, AJobAndPeersAreStarted) {
  const ApiAnswer answer = ask("POST", "/v1/runs", R"({"job": "nightly"})");
  EXPECT_EQ(answer.status, 202U);
  EXPECT_EQ(answer.location, "/v1/runs/run-2");
  EXPECT_EQ(answer.body, "{\n  \"version\": 1,\n  \"run\": {\n    \"id\": \"run-2\"\n  }\n}\n");
  ask("POST", "/v1/runs", R"({"peers": ["web1", "a;rm -rf", "--"], "full": true})");
  EXPECT_EQ(daemon_.asked, (Asked{"job nightly", "full peers web1 a;rm -rf --"}));
  EXPECT_EQ(ask("POST", "/v1/runs", "{").status, 400U);
  EXPECT_EQ(ask("POST", "/v1/runs", "{}").status, 422U);
}

TEST_F(Routes, ARunIsCancelledByNameOrAsTheOneThatIsGoingOn) {
  EXPECT_EQ(ask("POST", "/v1/runs/run-2/cancel").status, 202U);
  EXPECT_EQ(ask("POST", "/v1/cancel", "{}").status, 202U);
  EXPECT_EQ(ask("POST", "/v1/cancel", R"({"run": "x"})").status, 422U);
  EXPECT_EQ(daemon_.asked, (Asked{"cancel run-2", "cancel "}));
}

TEST_F(Routes, TheScheduleIsPausedAndResumed) {
  EXPECT_EQ(ask("POST", "/v1/pause").body, "{\n  \"version\": 1,\n  \"paused\": true\n}\n");
  EXPECT_EQ(ask("POST", "/v1/resume").body, "{\n  \"version\": 1,\n  \"paused\": false\n}\n");
  EXPECT_EQ(daemon_.asked, (Asked{"pause", "resume"}));
}

TEST_F(Routes, AReloadTellsWhatIsWrong) {
  EXPECT_EQ(ask("POST", "/v1/reload").body,
            "{\n  \"version\": 1,\n  \"in_force\": true,\n  \"findings\": []\n}\n");
  daemon_.told_reload = {false, {{config::Severity::error, "/etc/x.conf", 7, "stage", "it is not there"}}};
  const ApiAnswer answer = ask("POST", "/v1/reload");
  EXPECT_EQ(answer.status, 422U);
  EXPECT_EQ(answer.body, R"({
  "version": 1,
  "error": "the configuration is wrong; the one that was in force stays",
  "in_force": false,
  "findings": [
    {
      "severity": "error",
      "file": "/etc/x.conf",
      "line": 7,
      "element": "stage",
      "message": "it is not there"
    }
  ]
}
)");
}

TEST_F(Routes, ARefusalHasItsStatus) {
  daemon_.refusal = Refusal{Refusal::Kind::conflict, "the daemon is stopping"};
  expect_error(ask("POST", "/v1/pause"), 409, "the daemon is stopping");
  expect_error(ask("POST", "/v1/runs", R"({"job": "x"})"), 409, "the daemon is stopping");
  daemon_.refusal = Refusal{Refusal::Kind::unknown, "there is no job x"};
  expect_error(ask("POST", "/v1/runs", R"({"job": "x"})"), 404, "there is no job x");
  daemon_.refusal = Refusal{Refusal::Kind::unavailable, "the catalog is gone"};
  expect_error(ask("GET", "/v1/runs"), 503, "the catalog is gone");
}

TEST_F(Routes, WhoMayOnlyLookChangesNothing) {
  const char* sentence = "only root and the daemon's own user may do that; the members of its group may look";
  for (const char* target :
       {"/v1/runs", "/v1/runs/run-1/cancel", "/v1/cancel", "/v1/pause", "/v1/resume", "/v1/reload"}) {
    expect_error(ask("POST", target, R"({"job": "nightly"})", Access::read), 403, sentence);
  }
  EXPECT_EQ(daemon_.asked, Asked{});
  for (const char* target :
       {"/v1/status", "/v1/peers/web1", "/v1/jobs", "/v1/runs", "/v1/runs/run-1", "/metrics"})
    EXPECT_EQ(ask("GET", target, "", Access::read).status, 200U) << target;
}

TEST_F(Routes, SomebodyElseLearnsNothing) {
  for (const char* method : {"GET", "HEAD", "POST", "BREW"})
    for (const char* target : {"/v1/status", "/nothing", "bad", "/v1/cancel"})
      expect_error(ask(method, target, "", Access::none), 403,
                   "only root, the daemon's own user and the members of its group may ask it");
  EXPECT_EQ(daemon_.asked, Asked{});
}

TEST_F(Routes, AnotherMethodIsToldWhatCanBeDone) {
  EXPECT_EQ(ask("DELETE", "/v1/runs").status, 405U);
  EXPECT_EQ(ask("DELETE", "/v1/runs").allow, "GET, HEAD, POST");
  EXPECT_EQ(ask("GET", "/v1/pause").allow, "POST");
  EXPECT_EQ(ask("get", "/v1/status").allow, "GET, HEAD") << "methods are case-sensitive";
  EXPECT_EQ(daemon_.asked, Asked{});
}

TEST_F(Routes, WhatIsNotThereIsNotFound) {
  expect_error(ask("GET", "/"), 404, "there is nothing at /");
  expect_error(ask("GET", "/v1/peers"), 404, "there is nothing at /v1/peers");
  expect_error(ask("GET", "/v1/../etc/passwd"), 404, "there is nothing at /v1/../etc/passwd");
  expect_error(ask("GET", "/v2/status"), 404, "there is nothing at /v2/status");
  expect_error(ask("GET", "*"), 400, "the path of the request is none");
  expect_error(ask("GET", "/v1/status", "x"), 400, "a request that only looks has no body");
}

TEST_F(Routes, WhatGoesWrongInTheDaemonIsToldAndHarmsNothing) {
  daemon_.breaks = true;
  expect_error(ask("GET", "/v1/status"), 500, "the daemon could not do that: out\\\\x0aof order");
}

}  // namespace
}  // namespace peerstage::daemon
