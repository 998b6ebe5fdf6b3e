#include "daemon/service/state_json.h"

#include <functional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/service/example_state.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using Place = json::json_pointer;
using testing::HasSubstr;

/// Every member has a value that its default is not.
ServiceState full_state() {
  ServiceState state = example_state();
  state.config_error = "/etc/peerstage.conf:12: cb_config/peerstage: no";
  state.catalog_error = "cannot open /var/lib/peerstage/catalog.db: no";
  state.paused = state.stopping = true;
  state.jobs.push_back({"weekly", "@weekly", {}, {}});

  ServiceRun run;
  run.id = "20261120T113000Z-4711";
  run.origin = {"nightly", RunTrigger::catch_up, example_now() - 9h, {"web1", "db"}, true};
  run.date = std::chrono::year(2026) / 11 / 20;
  run.started = example_now() - 30min;
  run.peers = 10, run.done = 3, run.failed = 1, run.not_ready = 2, run.unplanned = 4;
  run.planned = {100, 2'000};
  run.arrived = {50, 1'000};
  run.bytes_per_second = 0.5;
  run.held_until = example_now() + 6h;
  run.interruptions = 1;
  state.run = run;
  state.queue.push_back({"q1", {"weekly", RunTrigger::schedule, {}, {}, false}, "a run is going on"});

  ServicePeer peer = failed_peer("web1", 40h, "cannot connect to web1");
  peer.group = "rack1";
  peer.condition = PeerCondition::put_off;
  peer.stale = true;
  peer.attempt = 2;
  peer.planned = {7, 70};
  peer.arrived = {6, 60};
  peer.put_off_because = peers::Failure{peers::FailureKind::not_ready, "no cback.collect"};
  peer.again_at = example_now() + 30s;
  state.peers.push_back(peer);
  state.peers.emplace_back().name = "new";

  state.counters = {1, 2, 3, 4, 5, 6, 7, 8};
  return state;
}

const char* const full_document = R"({
  "version": 1,
  "time": "2026-11-20T12:00:00Z",
  "daemon": {
    "version": "0.1.0", "pid": 4711, "started": "2026-11-17T08:00:00Z",
    "config_file": "/etc/peerstage.conf", "config_loaded": "2026-11-17T08:00:00Z",
    "config_error": "/etc/peerstage.conf:12: cb_config/peerstage: no",
    "catalog_error": "cannot open /var/lib/peerstage/catalog.db: no",
    "paused": true, "stopping": true, "staging_dir": "/var/backup/staging", "stale_after_seconds": 129600.0,
    "memory_bytes": 20000000, "open_descriptors": 17},
  "run": {
    "id": "20261120T113000Z-4711",
    "job": "nightly", "trigger": "catch_up", "slot": "2026-11-20T03:00:00Z",
    "selected": ["web1", "db"], "full": true,
    "date": "2026-11-20", "started": "2026-11-20T11:30:00Z", "interruptions": 1,
    "held_until": "2026-11-20T18:00:00Z",
    "progress": {"peers": 10, "done": 3, "failed": 1, "not_ready": 2, "unplanned": 4,
                 "planned": {"files": 100, "bytes": 2000}, "arrived": {"files": 50, "bytes": 1000},
                 "bytes_per_second": 0.5}},
  "queue": [
    {"id": "q1", "job": "weekly", "trigger": "schedule", "slot": null, "selected": [], "full": false,
     "why_waiting": "a run is going on"}],
  "jobs": [
    {"name": "nightly", "schedule": "30 2 * * *", "next_run": "2026-11-21T02:30:00Z",
     "last_slot": "2026-11-20T02:30:00Z"},
    {"name": "weekly", "schedule": "@weekly", "next_run": null, "last_slot": null}],
  "peers": [
    {"name": "web1", "type": "remote", "group": "rack1", "condition": "put_off", "stale": true,
     "last_good": "2026-11-18T20:00:00Z", "age_seconds": 144000, "files": 12, "bytes": 123456,
     "status": "failed", "error": {"kind": "transient", "message": "cannot connect to web1"},
     "seconds": 0.84, "attempts": 4, "failures_since": 1,
     "progress": {"attempt": 2, "planned": {"files": 7, "bytes": 70}, "arrived": {"files": 6, "bytes": 60},
                  "put_off_because": {"kind": "not_ready", "message": "no cback.collect"},
                  "again_at": "2026-11-20T12:00:30Z"}},
    {"name": "new", "type": "local", "group": null, "condition": "never_staged", "stale": false,
     "last_good": null, "age_seconds": null, "files": 0, "bytes": 0, "status": null, "error": null,
     "seconds": 0.0, "attempts": 0, "failures_since": 0, "progress": null}],
  "counters": {"runs": {"ok": 1, "failed": 2, "not_ready": 3, "interrupted": 4, "error": 5},
               "slots_skipped": 6, "files_received": 8, "bytes_received": 7}
})";

TEST(StateAsJson, has_exactly_the_published_members) {
  const json document = json::parse(to_json(full_state()));
  EXPECT_EQ(document, json::parse(full_document)) << json::diff(document, json::parse(full_document)).dump(2);
  EXPECT_EQ(to_json(full_state()).back(), '\n');
}

TEST(StateAsJson, has_no_run_when_none_is_going_on) {
  EXPECT_EQ(json::parse(to_json(example_state()))["run"], json());
}

TEST(StateAsJson, is_text_whatever_it_was_given) {
  ServiceState state = example_state();
  state.config_file = "/etc/\xff\n";
  EXPECT_EQ(json::parse(to_json(state))["daemon"]["config_file"], "/etc/\xef\xbf\xbd\n");
}

TEST(ParsedState, is_the_one_that_was_written) {
  // Every member of the state is in the document, see above: the same document is the same state.
  EXPECT_EQ(json::parse(to_json(parse_state(full_document))), json::parse(full_document));
  EXPECT_EQ(to_json(parse_state(to_json(example_state()))), to_json(example_state()));
}

TEST(ParsedState, drops_fractions_of_a_second) {
  ServiceState state = example_state();
  state.started = example_now() + 999ms;
  EXPECT_EQ(parse_state(to_json(state)).started, example_now());
}

/// Any value of each member.
class AnyState {
 public:
  explicit AnyState(unsigned seed) : random_(seed) {}

  ServiceState state() {
    ServiceState state;
    state.version = text();
    state.pid = static_cast<int>(below(1U << 22U));
    state.now = time(), state.started = time(), state.config_loaded = time();
    state.config_file = text(), state.staging_dir = text();
    state.config_error = maybe<std::string>([this] { return text(); });
    state.catalog_error = maybe<std::string>([this] { return text(); });
    state.paused = coin(), state.stopping = coin();
    state.stale_after = std::chrono::milliseconds(below(1ULL << 40U));
    state.run = maybe<ServiceRun>([this] { return run(); });
    state.queue = list<QueuedRun>([this] { return QueuedRun{text(), origin(), text()}; });
    state.jobs = list<ServiceJob>([this] { return ServiceJob{text(), text(), when(), when()}; });
    state.peers = list<ServicePeer>([this] { return peer(); });
    state.counters = {random_(), random_(), random_(), random_(), random_(), random_(), random_(), random_()};
    state.memory_bytes = random_();
    state.open_descriptors = static_cast<unsigned>(below(1U << 20U));
    return state;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool coin() { return below(2) == 0; }
  WallTime time() { return WallTime(std::chrono::seconds(below(1ULL << 32U))); }
  std::optional<WallTime> when() {
    return maybe<WallTime>([this] { return time(); });
  }
  std::string text() {
    static const std::vector<std::string> pieces{"a", "\\",  "\"", "\n", "ü", "…", "\xf0\x9f\x98\x80",
                                                 " ", "\x01"};
    std::string result;
    for (auto left = below(12); left > 0; --left) result += pieces[below(pieces.size())];
    return result;
  }
  template <typename T>
  std::optional<T> maybe(const std::function<T()>& make) {
    return coin() ? std::optional<T>(make()) : std::nullopt;
  }
  template <typename T>
  std::vector<T> list(const std::function<T()>& make) {
    std::vector<T> result(below(4));
    for (T& each : result) each = make();
    return result;
  }
  Amount amount() { return {random_(), random_()}; }
  RunOrigin origin() {
    return {text(), static_cast<RunTrigger>(below(5)), when(), list<std::string>([this] { return text(); }),
            coin()};
  }
  ServiceRun run() {
    ServiceRun run;
    run.id = text();
    run.origin = origin();
    run.date = std::chrono::sys_days(std::chrono::days(below(40'000)));
    run.started = time();
    run.peers = below(1U << 20U), run.done = below(1U << 20U), run.failed = below(1U << 20U);
    run.not_ready = below(1U << 20U), run.unplanned = below(1U << 20U);
    run.planned = amount(), run.arrived = amount();
    run.bytes_per_second = maybe<double>([this] { return static_cast<double>(random_()) / 7; });
    run.held_until = when();
    run.interruptions = static_cast<unsigned>(below(100));
    return run;
  }
  peers::Failure failure() { return {static_cast<peers::FailureKind>(below(5)), text()}; }
  ServicePeer peer() {
    ServicePeer peer;
    peer.name = text(), peer.group = text();
    peer.type = static_cast<PeerType>(below(2));
    peer.condition = static_cast<PeerCondition>(below(12));
    peer.stale = coin();
    peer.last_good = when();
    peer.files = random_(), peer.bytes = random_();
    peer.last_status = maybe<PeerStatus>([this] { return static_cast<PeerStatus>(below(6)); });
    peer.last_failure = maybe<peers::Failure>([this] { return failure(); });
    peer.last_duration = std::chrono::milliseconds(below(1ULL << 40U));
    peer.last_attempts = static_cast<unsigned>(below(100));
    peer.failures_since = static_cast<unsigned>(below(100));
    if (coin()) return peer;
    peer.attempt = static_cast<unsigned>(below(100));
    peer.planned = amount(), peer.arrived = amount();
    peer.put_off_because = maybe<peers::Failure>([this] { return failure(); });
    peer.again_at = when();
    return peer;
  }

  std::mt19937_64 random_;
};

TEST(ParsedState, is_the_one_that_was_written_whatever_it_was) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    const std::string document = to_json(AnyState(seed).state());
    ASSERT_EQ(to_json(parse_state(document)), document) << "seed " << seed;
  }
}

TEST(ParsedState, knows_every_word_of_every_enumeration) {
  json document = json::parse(full_document);
  for (int i = 0; i < 12; ++i) {
    const auto condition = static_cast<PeerCondition>(i);
    document["peers"][0]["condition"] = to_string(condition);
    EXPECT_EQ(parse_state(document.dump()).peers[0].condition, condition);
  }
}

TEST(ParsedState, passes_over_members_that_it_does_not_know) {
  json document = json::parse(full_document);
  document["new"] = 1;
  document["daemon"]["new"] = {{"a", {1, 2}}};
  document["peers"][0]["new"] = nullptr;
  EXPECT_EQ(json::parse(to_json(parse_state(document.dump()))), json::parse(full_document));
}

std::string complaint(std::string_view document) {
  try {
    parse_state(document);
  } catch (const BadStateDocument& error) {
    return error.what();
  }
  return "no complaint";
}

/// Texts that may be absent, in which any other text is as good.
bool may_be_any_text(const std::string& name) {
  return name == "group" || name == "job" || name == "why_waiting" || name == "config_error" ||
         name == "catalog_error";
}

void spoil(const json& whole, const Place& place, std::size_t& spoiled) {
  const json& original = whole.at(place);
  for (const json& other : {json(json::array({1})), json(-1), json("?"), json(true)}) {
    if (other.type() == original.type() || (other.is_string() && may_be_any_text(place.back()))) continue;
    json wrong = whole;
    wrong.at(place) = other;
    EXPECT_NE(complaint(wrong.dump()), "no complaint") << place << " = " << other;
    ++spoiled;
  }
}

/// Each member below is missing once, and of every other kind once.
void spoil_all(const json& whole, const Place& place, std::size_t& spoiled) {
  for (const auto& [name, value] : whole.at(place).items()) {
    const Place here = whole.at(place).is_array() ? place / std::stoul(name) : place / name;
    if (name == "age_seconds") continue;  // for other readers: it follows from the times
    if (whole.at(place).is_object()) {
      json without = whole;
      without.at(place).erase(name);
      EXPECT_THAT(complaint(without.dump()), HasSubstr("has no member \"" + name + "\""));
    }
    spoil(whole, here, spoiled);
    if (value.is_structured()) spoil_all(whole, here, spoiled);
  }
}

TEST(ParsedState, is_refused_when_a_member_is_missing_or_of_another_kind) {
  std::size_t spoiled = 0;
  spoil_all(json::parse(full_document), Place(), spoiled);
  EXPECT_GT(spoiled, 200U);
}

struct BadDocument {
  const char* name;
  Place place;
  json value;
  const char* complaint;
};

class BadState : public testing::TestWithParam<BadDocument> {};

TEST_P(BadState, is_refused_with_the_place) {
  json document = json::parse(full_document);
  document[GetParam().place] = GetParam().value;
  EXPECT_EQ(complaint(document.dump()),
            std::string("what came is not the daemon's status: ") + GetParam().complaint);
}

const std::vector<BadDocument> bad_documents{
    {"newer_version", Place("/version"), 2,
     "the document has a version that this program does not know; is the daemon a newer one?"},
    {"pid_beyond_an_int", Place("/daemon/pid"), 1ULL << 31U, "daemon.pid is too large"},
    {"negative_pid", Place("/daemon/pid"), -1, "daemon.pid is not a whole number from 0 on"},
    {"broken_number", Place("/daemon/pid"), 1.5, "daemon.pid is not a whole number from 0 on"},
    {"endless_age", Place("/daemon/stale_after_seconds"), 1e300, "daemon.stale_after_seconds is too long"},
    {"impossible_time", Place("/time"), "2026-02-30T00:00:00Z",
     "time is not a time like 2026-11-20T02:30:00Z"},
    {"time_beyond_the_clock", Place("/time"), "9999-01-01T00:00:00Z",
     "time is not a time like 2026-11-20T02:30:00Z"},
    {"time_with_no_room_between_it_and_another", Place("/peers/0/last_good"), "1678-01-01T00:00:00Z",
     "peers[0].last_good is not a time like 2026-11-20T02:30:00Z"},
    {"impossible_date", Place("/run/date"), "2026-13-01", "run.date is not a date like 2026-11-20"},
    {"unknown_condition", Place("/peers/1/condition"), "asleep\n",
     "peers[1].condition is the word \"asleep\\x0a\", which this program does not know"},
    {"unknown_trigger", Place("/queue/0/trigger"), "whim",
     "queue[0].trigger is the word \"whim\", which this program does not know"},
    {"number_among_names", Place("/run/selected/1"), 1, "run.selected[1] is not a string"},
};

INSTANTIATE_TEST_SUITE_P(ParsedState, BadState, testing::ValuesIn(bad_documents),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ParsedState, has_room_for_the_time_between_the_first_and_the_last_that_it_may_name) {
  json document = json::parse(full_document);
  document["time"] = "2261-12-31T23:59:59Z";
  document[Place("/peers/0/last_good")] = "1970-01-01T00:00:00Z";
  const ServiceState state = parse_state(document.dump());
  EXPECT_GT(age(state.peers[0], state.now), std::chrono::years(291));
}

TEST(ParsedState, is_refused_when_the_bytes_are_no_document) {
  const std::string not_json = "what came is not the daemon's status: it is not JSON";
  for (const std::string text : {"", "{", "\xff", "{\"version\": \"\xff\"}", "{} {}", "[1e999]"})
    EXPECT_EQ(complaint(text), not_json) << text;
  for (const std::string text : {"null", "[]", "1", "\"x\""})
    EXPECT_EQ(complaint(text), "what came is not the daemon's status: the document is not an object");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(complaint(deep), "what came is not the daemon's status: the document is not an object");
}

TEST(ParsedState, throws_nothing_else_whatever_happens_to_the_bytes) {
  const std::string whole = to_json(full_state());
  std::mt19937 random(1);
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes = whole.substr(0, i % 2 == 0 ? whole.size() : below(whole.size()));
    for (auto left = below(4); left > 0 && !bytes.empty(); --left)
      bytes[below(bytes.size())] = static_cast<char>(below(256));
    try {
      parse_state(bytes);
    } catch (const BadStateDocument&) {
    }
  }
}

}  // namespace
}  // namespace peerstage::daemon
