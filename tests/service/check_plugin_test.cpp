#include "daemon/service/check_plugin.h"

#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/utf8.h"
#include "tests/service/example_state.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

ServicePeer stale_peer(const std::string& name) {
  ServicePeer peer = example_peer(name, 40h);
  peer.condition = PeerCondition::stale;
  peer.stale = true;
  return peer;
}

ServicePeer not_ready_peer(const std::string& name) {
  ServicePeer peer = example_peer(name, 30h);
  peer.condition = PeerCondition::not_ready;
  peer.last_status = PeerStatus::not_ready;
  return peer;
}

ServicePeer new_peer(const std::string& name) {
  ServicePeer peer;
  peer.name = name;
  return peer;
}

ServiceState with_peers(std::vector<ServicePeer> peers) {
  ServiceState state = example_state();
  state.peers = std::move(peers);
  return state;
}

TEST(Check, is_ok_when_all_peers_are_good) {
  const CheckResult result = check_result(with_peers({example_peer("web1", 10h), example_peer("db", 21h)}));
  EXPECT_EQ(result.status, CheckStatus::ok);
  EXPECT_EQ(
      result.line,
      "PEERSTAGE OK - 2 peers, oldest good stage 21h00m ago | 'peers'=2;;;0 'failed'=0;;0;0 "
      "'stale'=0;;0;0 'not_ready'=0;0;;0 'never_staged'=0;0;;0 'age_max'=75600s;;129600;0 'files'=24;;;0 "
      "'size'=246912B;;;0");
}

TEST(Check, names_what_is_wrong_the_worst_first) {
  ServiceState state =
      with_peers({new_peer("n"), not_ready_peer("r"), stale_peer("s"), failed_peer("f", 20h, "x")});
  state.paused = true;
  state.config_error = "/etc/peerstage.conf:3: no|pipe\nhere";
  const CheckResult result = check_result(state);
  EXPECT_EQ(result.status, CheckStatus::critical);
  EXPECT_EQ(result.line,
            "PEERSTAGE CRITICAL - 1 failed: f; 1 without a recent good stage: s; 1 not ready: r; 1 never "
            "staged: n; "
            "the schedule is paused; the configuration is wrong, the one before is in force: "
            "/etc/peerstage.conf:3: no/pipe\\x0ahere | 'peers'=4;;;0 'failed'=1;;0;0 'stale'=1;;0;0 "
            "'not_ready'=1;0;;0 'never_staged'=1;0;;0 'age_max'=144000s;;129600;0 'files'=36;;;0 "
            "'size'=370368B;;;0");
}

struct Case {
  const char* name;
  ServiceState state;
  CheckStatus status;
  const char* text;
};

class Verdict : public testing::TestWithParam<Case> {};

TEST_P(Verdict, is_that_of_the_worst_finding) {
  const CheckResult result = check_result(GetParam().state);
  EXPECT_EQ(result.status, GetParam().status) << result.line;
  EXPECT_THAT(result.line, HasSubstr(GetParam().text));
}

template <typename Change>
ServiceState changed(ServiceState state, Change change) {
  change(state);
  return state;
}

ServiceState one_good() {
  return with_peers({example_peer("web1", 1h)});
}

ServicePeer changed_peer(ServicePeer peer, PeerCondition condition) {
  peer.condition = condition;
  return peer;
}

ServicePeer ignored_peer() {
  ServicePeer peer = example_peer("i", 20h);
  peer.last_status = PeerStatus::ignored;
  return peer;
}

ServicePeer long_unstaged_peer() {
  ServicePeer peer = new_peer("n");
  peer.stale = true;
  return peer;
}

const std::vector<Case> cases{
    {"stale", with_peers({stale_peer("s")}), CheckStatus::critical, "1 without a recent good stage: s"},
    {"not_ready", with_peers({not_ready_peer("r")}), CheckStatus::warning, "WARNING - 1 not ready: r |"},
    {"never_staged", with_peers({new_peer("n")}), CheckStatus::warning, "WARNING - 1 never staged: n |"},
    {"never_staged_for_too_long", with_peers({long_unstaged_peer()}), CheckStatus::critical,
     "1 without a recent good stage: n; 1 never staged: n |"},
    {"ignored", with_peers({ignored_peer()}), CheckStatus::ok, "OK - 1 peer,"},
    {"failed_and_tried_again",
     with_peers({changed_peer(failed_peer("f", 1h, "x"), PeerCondition::transferring)}),
     CheckStatus::critical, "1 failed: f |"},
    {"good_and_staged_again", with_peers({changed_peer(example_peer("g", 1h), PeerCondition::put_off)}),
     CheckStatus::ok, "OK - 1 peer, oldest good stage 1h00m ago |"},
    {"run_going_on", changed(one_good(), [](ServiceState& state) { state.run.emplace(); }), CheckStatus::ok,
     "a run is going on |"},
    {"paused", changed(one_good(), [](ServiceState& state) { state.paused = true; }), CheckStatus::warning,
     "WARNING - the schedule is paused |"},
    {"bad_configuration", changed(one_good(), [](ServiceState& state) { state.config_error = "no"; }),
     CheckStatus::warning, "the configuration is wrong, the one before is in force: no |"},
    {"bad_catalog", changed(one_good(), [](ServiceState& state) { state.catalog_error = "no"; }),
     CheckStatus::warning, "the catalog cannot be used: no |"},
    {"no_peers", with_peers({}), CheckStatus::warning, "WARNING - no peer is configured |"},
    {"no_age", with_peers({new_peer("n")}), CheckStatus::warning, "'age_max'=U;;129600;0"},
    {"nothing_is_ever_stale", changed(one_good(), [](ServiceState& state) { state.stale_after = 0s; }),
     CheckStatus::ok, "'age_max'=3600s;;;0"},
};

INSTANTIATE_TEST_SUITE_P(Check, Verdict, testing::ValuesIn(cases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Check, judges_the_peers_that_were_asked_for_alone) {
  const ServiceState state = with_peers({failed_peer("bad", 1h, "x"), example_peer("good", 1h)});
  EXPECT_EQ(check_result(state, {"good"}).status, CheckStatus::ok);
  EXPECT_EQ(check_result(state, {"bad"}).status, CheckStatus::critical);
  EXPECT_EQ(check_result(state, {"good", "no|body"}).line,
            "PEERSTAGE UNKNOWN - the daemon knows no peer no/body");
  EXPECT_EQ(check_result(state, {"nobody"}).status, CheckStatus::unknown);
}

TEST(Check, says_why_there_is_no_state) {
  EXPECT_EQ(daemon_does_not_answer("cannot connect to /run/x: refused").status, CheckStatus::critical);
  EXPECT_EQ(daemon_does_not_answer("cannot connect to /run/x: refused").line,
            "PEERSTAGE CRITICAL - cannot connect to /run/x: refused");
  EXPECT_EQ(check_impossible("no\nrights").line, "PEERSTAGE UNKNOWN - no\\x0arights");
  EXPECT_EQ(static_cast<int>(check_impossible("").status), 3);
}

/// The guidelines: 'label'=value[UOM];[warn];[crit];[min];[max], separated by blanks.
bool is_plugin_line(const std::string& line) {
  static const std::string number = "-?[0-9]+(\\.[0-9]+)?";
  static const std::string figure = "'[^'=|\n]+'=(U|" + number + "(s|B|%|c)?)(;(" + number + ")?){0,4}";
  static const std::regex form("PEERSTAGE (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \\| " + figure + "( " +
                               figure + ")*)?");
  return std::regex_match(line, form);
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto point = config::decode_utf8(text, at);
    if (!point) return false;
    at += point->bytes;
  }
  return true;
}

TEST(Check, is_one_bounded_line_whatever_the_state_says) {
  for (std::size_t length = 1; length < 400; length += 7) {
    ServiceState state = example_state();
    for (std::size_t i = 0; i < 300; ++i) {
      const std::string name = std::string(length, 'p') + "ü|'\n" + std::to_string(i);
      state.peers.push_back(i % 3 == 0   ? failed_peer(name, 1h, "x")
                            : i % 3 == 1 ? stale_peer(name)
                                         : new_peer(name));
      state.peers.back().bytes = ~std::uint64_t{0} / 1000;
    }
    state.config_error = state.catalog_error = std::string(length, '|') + "\xff…\n";
    const CheckResult result = check_result(state);
    EXPECT_LT(result.line.size(), 1000U);
    EXPECT_TRUE(is_plugin_line(result.line)) << result.line;
    EXPECT_TRUE(is_utf8(result.line)) << result.line;
  }
}

TEST(Check, says_how_many_more_there_are) {
  ServiceState state = example_state();
  for (int i = 0; i < 7; ++i) state.peers.push_back(failed_peer("p" + std::to_string(i), 1h, "x"));
  EXPECT_THAT(check_result(state).line,
              StartsWith("PEERSTAGE CRITICAL - 7 failed: p0, p1, p2, p3 and 3 more | "));
}

}  // namespace
}  // namespace peerstage::daemon
