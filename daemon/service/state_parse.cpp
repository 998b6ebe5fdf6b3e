#include <array>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "daemon/service/state_json.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using nlohmann::json;
using peers::FailureKind;

/// A value in the document. It knows where it stands, and becomes what it is asked for or throws.
class Value {
 public:
  Value(const json& value, const Value* parent, const char* name, std::size_t index = 0)
      : value_(value), parent_(parent), name_(name), index_(index) {}

  Value operator[](const char* name) const {
    if (!value_.is_object()) refuse("is not an object");
    const auto member = value_.find(name);
    if (member == value_.end()) refuse("has no member \"" + std::string(name) + "\"");
    return {*member, this, name};
  }

  bool is_null() const { return value_.is_null(); }

  std::string text() const {
    if (!value_.is_string()) refuse("is not a string");
    return value_.get<std::string>();
  }
  bool truth() const {
    if (!value_.is_boolean()) refuse("is neither true nor false");
    return value_.get<bool>();
  }
  double fraction() const {
    if (!value_.is_number()) refuse("is not a number");
    const auto number = value_.get<double>();
    if (!std::isfinite(number) || number < 0) refuse("is below 0 or beyond all numbers");
    return number;
  }
  template <typename Number = std::uint64_t>
  Number count() const {
    if (!value_.is_number_unsigned()) refuse("is not a whole number from 0 on");
    const auto number = value_.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<Number>::max())) refuse("is too large");
    return static_cast<Number>(number);
  }
  std::chrono::milliseconds seconds() const {
    constexpr double longest = 1e12;  // 30,000 years, which milliseconds can hold
    const double number = fraction();
    if (number > longest) refuse("is too long");
    return std::chrono::milliseconds(std::llround(number * 1000));
  }
  /// From 1970 on: then the time between any two of them has room in a WallTime::duration.
  WallTime time() const {
    const auto when = value_.is_string() ? parse_utc(value_.get_ref<const std::string&>()) : std::nullopt;
    if (!when || *when < WallTime()) refuse("is not a time like 2026-11-20T02:30:00Z");
    return *when;
  }
  std::chrono::year_month_day date() const {
    const auto day = value_.is_string() ? parse_iso_date(value_.get_ref<const std::string&>()) : std::nullopt;
    if (!day) refuse("is not a date like 2026-11-20");
    return *day;
  }
  /// One of the words that `to_string` has for these.
  template <typename Enum, std::size_t size>
  Enum one_of(const std::array<Enum, size>& all) const {
    const std::string word = text();
    for (const Enum each : all)
      if (word == to_string(each)) return each;
    refuse("is the word \"" + peers::printable(word, 40) + "\", which this program does not know");
  }
  /// `read` of each element.
  template <typename Read>
  auto list(Read read) const {
    if (!value_.is_array()) refuse("is not an array");
    std::vector<decltype(read(*this))> result;
    result.reserve(value_.size());
    for (std::size_t i = 0; i < value_.size(); ++i)
      result.push_back(read(Value(value_[i], this, nullptr, i)));
    return result;
  }

  [[noreturn]] void refuse(const std::string& why) const {
    throw BadStateDocument("what came is not the daemon's status: " + place() + " " + why);
  }

 private:
  std::string place() const {
    if (parent_ == nullptr) return "the document";
    if (name_ == nullptr) return parent_->place() + "[" + std::to_string(index_) + "]";
    return parent_->parent_ == nullptr ? name_ : parent_->place() + "." + name_;
  }

  const json& value_;
  const Value* parent_;
  const char* name_;  ///< in an object; none: it is in an array
  std::size_t index_;
};

/// What `read` makes of it, unless it is null.
template <typename Read>
auto unless_null(const Value& value, Read read) -> std::optional<decltype(read(value))> {
  if (value.is_null()) return std::nullopt;
  return read(value);
}

std::optional<WallTime> time_or_none(const Value& value) {
  return unless_null(value, [](const Value& when) { return when.time(); });
}

std::optional<std::string> text_or_none(const Value& value) {
  return unless_null(value, [](const Value& words) { return words.text(); });
}

std::string name_or_empty(const Value& value) {
  return text_or_none(value).value_or("");
}

Amount amount(const Value& value) {
  return {value["files"].count(), value["bytes"].count()};
}

void read_daemon(const Value& value, ServiceState& state) {
  state.version = value["version"].text();
  state.pid = value["pid"].count<int>();
  state.started = value["started"].time();
  state.config_file = value["config_file"].text();
  state.config_loaded = value["config_loaded"].time();
  state.config_error = text_or_none(value["config_error"]);
  state.catalog_error = text_or_none(value["catalog_error"]);
  state.paused = value["paused"].truth();
  state.stopping = value["stopping"].truth();
  state.staging_dir = value["staging_dir"].text();
  state.stale_after = value["stale_after_seconds"].seconds();
  state.memory_bytes = value["memory_bytes"].count();
  state.open_descriptors = value["open_descriptors"].count<unsigned>();
}

RunOrigin origin(const Value& value) {
  constexpr std::array triggers{RunTrigger::schedule, RunTrigger::catch_up, RunTrigger::request,
                                RunTrigger::command_line, RunTrigger::rebuilt};
  RunOrigin origin;
  origin.job = name_or_empty(value["job"]);
  origin.trigger = value["trigger"].one_of(triggers);
  origin.slot = time_or_none(value["slot"]);
  origin.selected = value["selected"].list([](const Value& peer) { return peer.text(); });
  origin.full = value["full"].truth();
  return origin;
}

void read_progress(const Value& value, ServiceRun& run) {
  run.peers = value["peers"].count<std::size_t>();
  run.done = value["done"].count<std::size_t>();
  run.failed = value["failed"].count<std::size_t>();
  run.not_ready = value["not_ready"].count<std::size_t>();
  run.unplanned = value["unplanned"].count<std::size_t>();
  run.planned = amount(value["planned"]);
  run.arrived = amount(value["arrived"]);
  run.bytes_per_second =
      unless_null(value["bytes_per_second"], [](const Value& rate) { return rate.fraction(); });
}

ServiceRun run_of(const Value& value) {
  ServiceRun run;
  run.id = value["id"].text();
  run.origin = origin(value);
  run.date = value["date"].date();
  run.started = value["started"].time();
  run.interruptions = value["interruptions"].count<unsigned>();
  run.held_until = time_or_none(value["held_until"]);
  read_progress(value["progress"], run);
  return run;
}

QueuedRun queued_of(const Value& value) {
  return {value["id"].text(), origin(value), name_or_empty(value["why_waiting"])};
}

ServiceJob job_of(const Value& value) {
  return {value["name"].text(), value["schedule"].text(), time_or_none(value["next_run"]),
          time_or_none(value["last_slot"])};
}

PeerCondition condition(const Value& value) {
  const std::string word = value.text();
  const auto condition = condition_named(word);
  if (!condition)
    value.refuse("is the word \"" + peers::printable(word, 40) + "\", which this program does not know");
  return *condition;
}

PeerStatus peer_status(const Value& value) {
  constexpr std::array all{PeerStatus::staged,  PeerStatus::unchanged, PeerStatus::not_ready,
                           PeerStatus::ignored, PeerStatus::failed,    PeerStatus::cancelled};
  return value.one_of(all);
}

peers::Failure failure(const Value& value) {
  constexpr std::array kinds{FailureKind::not_ready, FailureKind::transient, FailureKind::permanent,
                             FailureKind::hostile, FailureKind::cancelled};
  return {value["kind"].one_of(kinds), value["message"].text()};
}

void read_progress(const Value& value, ServicePeer& peer) {
  if (value.is_null()) return;
  peer.attempt = value["attempt"].count<unsigned>();
  peer.planned = amount(value["planned"]);
  peer.arrived = amount(value["arrived"]);
  peer.put_off_because = unless_null(value["put_off_because"], failure);
  peer.again_at = time_or_none(value["again_at"]);
}

ServicePeer peer_of(const Value& value) {
  constexpr std::array types{PeerType::local, PeerType::remote};
  ServicePeer peer;
  peer.name = value["name"].text();
  peer.type = value["type"].one_of(types);
  peer.group = name_or_empty(value["group"]);
  peer.condition = condition(value["condition"]);
  peer.stale = value["stale"].truth();
  peer.last_good = time_or_none(value["last_good"]);
  peer.files = value["files"].count();
  peer.bytes = value["bytes"].count();
  peer.last_status = unless_null(value["status"], peer_status);
  peer.last_failure = unless_null(value["error"], failure);
  peer.last_duration = value["seconds"].seconds();
  peer.last_attempts = value["attempts"].count<unsigned>();
  peer.failures_since = value["failures_since"].count<unsigned>();
  read_progress(value["progress"], peer);
  return peer;
}

ServiceCounters counters(const Value& value) {
  const Value runs = value["runs"];
  ServiceCounters counters;
  counters.runs_ok = runs["ok"].count();
  counters.runs_failed = runs["failed"].count();
  counters.runs_not_ready = runs["not_ready"].count();
  counters.runs_interrupted = runs["interrupted"].count();
  counters.runs_error = runs["error"].count();
  counters.slots_skipped = value["slots_skipped"].count();
  counters.files_received = value["files_received"].count();
  counters.bytes_received = value["bytes_received"].count();
  return counters;
}

ServiceState state(const Value& document) {
  if (document["version"].count() != 1)
    document.refuse("has a version that this program does not know; is the daemon a newer one?");
  ServiceState state;
  state.now = document["time"].time();
  read_daemon(document["daemon"], state);
  state.run = unless_null(document["run"], run_of);
  state.queue = document["queue"].list(queued_of);
  state.jobs = document["jobs"].list(job_of);
  state.peers = document["peers"].list(peer_of);
  state.counters = counters(document["counters"]);
  return state;
}

}  // namespace

ServiceState parse_state(std::string_view document) {
  constexpr auto no_callback = nullptr;
  constexpr bool throws = false;
  const json parsed = json::parse(document, no_callback, throws);
  if (parsed.is_discarded()) throw BadStateDocument("what came is not the daemon's status: it is not JSON");
  return state(Value(parsed, nullptr, nullptr));
}

}  // namespace peerstage::daemon
