#include "daemon/service/status_table.h"

#include <chrono>
#include <ctime>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/utf8.h"
#include "daemon/columns.h"
#include "tests/daemon/environment.h"
#include "tests/service/example_state.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class StatusTable : public testing::Test {
 protected:
  StatusTable() { ::tzset(); }
  ~StatusTable() override { ::tzset(); }

 private:
  const Environment zone_{"TZ", "CET-1"};
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto point = config::decode_utf8(text, at);
    if (!point) return false;
    at += point->bytes;
  }
  return true;
}

ServicePeer stale_peer() {
  ServicePeer peer = example_peer("archive", 49h + 30min);
  peer.condition = PeerCondition::stale;
  peer.stale = true;
  return peer;
}

TEST_F(StatusTable, shows_a_daemon_at_rest) {
  ServiceState state = example_state();
  state.peers = {example_peer("web1", 9h), failed_peer("db", 33h, "cannot connect to db port 22: refused"),
                 stale_peer()};
  state.peers[1].failures_since = 3;
  state.peers.emplace_back().name = "new";
  state.peers.back().stale = true;
  EXPECT_EQ(
      status_table(state, {}),
      "peerstage 0.1.0 is up since 2026-11-17 09:00 (3d04h), pid 4711, configuration /etc/peerstage.conf of "
      "2026-11-17 09:00\n"
      "no run is going on\n"
      "\n"
      "job      schedule    next run\n"
      "nightly  30 2 * * *  2026-11-21 03:30, in 14h30m\n"
      "\n"
      "4 peers: 1 good, 1 failed, 1 stale, 1 never staged; without a recent good stage: 2\n"
      "peer     state                last good           age  files    size  attempts\n"
      "db       failed               2026-11-19 04:00  1d09h     12  121 KB         4\n"
      "  3 runs without a good stage: cannot connect to db port 22: refused\n"
      "archive  stale                2026-11-18 11:30  2d01h     12  121 KB         1\n"
      "new      never staged, stale  never                 -      -       -         0\n"
      "  no run has staged it yet\n"
      "web1     good                 2026-11-20 04:00  9h00m     12  121 KB         1\n");
}

ServiceRun example_run() {
  ServiceRun run;
  run.id = "20261120T113000Z-4711";
  run.origin.job = "nightly";
  run.started = example_now() - 30min;
  run.peers = 10, run.done = 3, run.failed = 1, run.unplanned = 2;
  run.planned = {100, 4ULL << 30U};
  run.arrived = {50, 1ULL << 30U};
  run.bytes_per_second = 32.0 * 1024 * 1024;
  return run;
}

TEST_F(StatusTable, shows_the_run_that_is_going_on_and_those_that_wait) {
  ServiceState state = example_state();
  state.run = example_run();
  state.queue.push_back({"q1", {"", RunTrigger::request, {}, {"web1", "db"}, true}, ""});
  state.queue.push_back({"q2", {"weekly", RunTrigger::catch_up, {}, {}, false}, "a run is going on"});
  const std::string text = status_table(state, {});
  EXPECT_THAT(text, HasSubstr("running: 20261120T113000Z-4711 of nightly, since 2026-11-20 12:30 (30m00s)\n"
                              "  3 of 10 peers done, 1 failed, 1.0 GB of at least 4.0 GB, 32 MB/s\n"
                              "queued: q1 of web1, db, full, by request\n"
                              "queued: q2 of weekly, caught up: a run is going on\n"));
}

TEST_F(StatusTable, foresees_the_end_when_all_peers_have_told_their_size) {
  ServiceState state = example_state();
  state.run = example_run();
  state.run->unplanned = 0;
  EXPECT_THAT(status_table(state, {}), HasSubstr("1.0 GB of 4.0 GB, 32 MB/s, 1m36s left\n"));
}

TEST_F(StatusTable, says_what_is_wrong_with_the_daemon) {
  ServiceState state = example_state();
  state.paused = state.stopping = true;
  state.jobs[0].next_run.reset();
  state.config_error = "/etc/peerstage.conf:3: no";
  state.catalog_error = "cannot open it";
  state.run = example_run();
  state.run->interruptions = 1;
  state.run->held_until = example_now() + 1h;
  const std::string text = status_table(state, {});
  for (const char* part :
       {"The daemon is stopping: nothing new is begun.\n",
        "The schedule is paused: no job begins by itself until `peerstage resume`.\n",
        "The configuration was read again and is wrong, so the one before stays in force: "
        "/etc/peerstage.conf:3: no\n",
        "The catalog cannot be used (staging goes on, history does not): cannot open it\n",
        "(30m00s), gone on with after an interruption\n", "nightly  30 2 * * *  paused\n",
        "no transfer starts before 2026-11-20 14:00 (not_between)\n", "no peer is configured\n"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST_F(StatusTable, shows_what_a_run_does_with_each_peer) {
  ServiceState state = example_state();
  const auto add = [&state](const char* name, PeerCondition condition) -> ServicePeer& {
    ServicePeer& peer = state.peers.emplace_back(example_peer(name, 25h));
    peer.condition = condition;
    return peer;
  };
  add("t", PeerCondition::transferring).planned.bytes = 200;
  state.peers.back().arrived.bytes = 84;
  state.peers.back().attempt = 2;
  add("w", PeerCondition::waiting).stale = true;
  ServicePeer& late = add("l", PeerCondition::put_off);
  late.again_at = example_now() + 30s;
  late.put_off_because = peers::Failure{peers::FailureKind::not_ready, "there is no cback.collect yet"};
  EXPECT_THAT(status_table(state, {}),
              EndsWith("3 peers: 2 good, 1 stale\n"
                       "peer  state                   last good           age  files    size  attempts\n"
                       "w     waiting, stale          2026-11-19 12:00  1d01h     12  121 KB         0\n"
                       "t     transferring 42%        2026-11-19 12:00  1d01h     12  121 KB         2\n"
                       "l     put off, again in 30 s  2026-11-19 12:00  1d01h     12  121 KB         0\n"
                       "  there is no cback.collect yet\n"));
}

TEST_F(StatusTable, shows_only_the_peers_that_were_asked_for) {
  ServiceState state = example_state();
  state.peers = {example_peer("web1", 9h), example_peer("web2", 9h)};
  const std::string text = status_table(state, {{"web2", "nobody\n"}, Colour::off, {}});
  EXPECT_THAT(text, HasSubstr("there is no peer nobody\\x0a\n1 peer: 1 good\n"));
  EXPECT_THAT(text, HasSubstr("\nweb2 "));
  EXPECT_THAT(text, Not(HasSubstr("web1")));
}

TEST_F(StatusTable, paints_states_when_it_is_told_to) {
  ServiceState state = example_state();
  state.peers = {example_peer("web1", 9h), failed_peer("db", 33h, "x")};
  const std::string plain = status_table(state, {});
  const std::string painted = status_table(state, {{}, Colour::on, {}});
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(painted, HasSubstr("\x1b[31mfailed\x1b[0m"));
  EXPECT_THAT(painted, HasSubstr("\x1b[32mgood  \x1b[0m"));
}

/// The text without colours.
std::string bare(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b')
      i = text.find('m', i);
    else
      result += text[i];
  }
  return result;
}

ServiceState hostile_state() {
  ServiceState state = example_state();
  const std::string evil = "日本語 \x1b]0;x\x07 \xff\n\u202e üüü " + std::string(300, 'w');
  state.peers = {failed_peer("web1", 9h, evil), failed_peer(std::string(255, 'n'), 9h, evil)};
  state.config_file = state.version = evil;
  state.config_error = state.catalog_error = evil;
  state.jobs.push_back({evil, evil, example_now(), {}});
  state.run = example_run();
  state.run->id = evil;
  state.run->bytes_per_second = 1e300;
  state.queue.push_back({evil, {evil, RunTrigger::request, {}, {evil}, true}, evil});
  return state;
}

TEST_F(StatusTable, fits_every_width_and_is_safe_whatever_the_state_says) {
  for (std::size_t width = 20; width < 200; ++width) {
    const std::string text = status_table(hostile_state(), {{}, Colour::on, width});
    EXPECT_TRUE(is_utf8(text));
    for (const auto& line : lines_of(bare(text))) {
      EXPECT_LE(columns_of(line), width) << line;
      EXPECT_THAT(line, Not(testing::ContainsRegex("[\x01-\x1f]")));
      EXPECT_THAT(line, Not(HasSubstr("\u202e")));
    }
  }
  EXPECT_TRUE(is_utf8(status_table(hostile_state(), {})));
}

TEST_F(StatusTable, says_the_same_in_colour) {
  EXPECT_EQ(bare(status_table(hostile_state(), {{}, Colour::on, 80})),
            status_table(hostile_state(), {{}, Colour::off, 80}));
}

TEST_F(StatusTable, wraps_reasons_under_their_peer) {
  ServiceState state = example_state();
  state.peers = {failed_peer("db", 33h, "cannot connect to db port 22, which is a very long story to tell")};
  EXPECT_THAT(status_table(state, {{}, Colour::off, 40}),
              EndsWith("\n"
                       "  cannot connect to db port 22, which is\n"
                       "  a very long story to tell\n"));
}

TEST_F(StatusTable, leaves_a_backslash_of_printable_text_alone) {
  ServiceState state = example_state();
  state.peers = {failed_peer("db", 33h, R"(cannot read a\\b\xff)")};
  EXPECT_THAT(status_table(state, {}), EndsWith("  cannot read a\\\\b\\xff\n"));
}

TEST_F(StatusTable, has_a_line_for_each_of_ten_thousand_peers) {
  ServiceState state = example_state();
  for (int i = 0; i < 10'000; ++i) state.peers.push_back(example_peer("peer" + std::to_string(i), 9h));
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = status_table(state, {{}, Colour::on, 120});
  RecordProperty("milliseconds",
                 static_cast<int>((std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(1)));
  EXPECT_EQ(lines_of(text).size(), 10'008U);
}

}  // namespace
}  // namespace peerstage::daemon
