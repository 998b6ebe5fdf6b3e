#include "daemon/service/state_json.h"

#include "daemon/report_json.h"
#include "daemon/utc.h"

namespace peerstage::daemon {
namespace {

Json time(const std::optional<WallTime>& when) {
  return when ? Json(utc(*when)) : Json(nullptr);
}

Json text(const std::optional<std::string>& words) {
  return words ? Json(*words) : Json(nullptr);
}

/// Of names: an empty one is none.
Json name(const std::string& name) {
  return name.empty() ? Json(nullptr) : Json(name);
}

double in_seconds(std::chrono::milliseconds duration) {
  return static_cast<double>(duration.count()) / 1000;
}

Json amount(const Amount& amount) {
  return {{"files", amount.files}, {"bytes", amount.bytes}};
}

Json daemon(const ServiceState& state) {
  return {{"version", state.version},
          {"pid", state.pid},
          {"started", utc(state.started)},
          {"config_file", state.config_file},
          {"config_loaded", utc(state.config_loaded)},
          {"config_error", text(state.config_error)},
          {"catalog_error", text(state.catalog_error)},
          {"paused", state.paused},
          {"stopping", state.stopping},
          {"staging_dir", state.staging_dir},
          {"stale_after_seconds", in_seconds(state.stale_after)},
          {"memory_bytes", state.memory_bytes},
          {"open_descriptors", state.open_descriptors}};
}

/// The members that a run has beside those of its report, as in the document of its history.
void add_origin(Json& run, const RunOrigin& origin) {
  run["job"] = name(origin.job);
  run["trigger"] = to_string(origin.trigger);
  run["slot"] = time(origin.slot);
  run["selected"] = origin.selected;
  run["full"] = origin.full;
}

Json progress(const ServiceRun& run) {
  return {{"peers", run.peers},
          {"done", run.done},
          {"failed", run.failed},
          {"not_ready", run.not_ready},
          {"unplanned", run.unplanned},
          {"planned", amount(run.planned)},
          {"arrived", amount(run.arrived)},
          {"bytes_per_second", run.bytes_per_second ? Json(*run.bytes_per_second) : Json(nullptr)}};
}

Json run(const std::optional<ServiceRun>& run) {
  if (!run) return nullptr;
  Json object{{"id", run->id}, {"date", iso_date(run->date)}, {"started", utc(run->started)}};
  add_origin(object, run->origin);
  object["interruptions"] = run->interruptions;
  object["held_until"] = time(run->held_until);
  object["progress"] = progress(*run);
  return object;
}

Json queued(const QueuedRun& run) {
  Json object{{"id", run.id}};
  add_origin(object, run.origin);
  object["why_waiting"] = name(run.why_waiting);
  return object;
}

Json job(const ServiceJob& job) {
  return {{"name", job.name},
          {"schedule", job.schedule},
          {"next_run", time(job.next_run)},
          {"last_slot", time(job.last_slot)}};
}

Json progress(const ServicePeer& peer) {
  const bool nothing = peer.attempt == 0 && peer.planned.files == 0 && peer.planned.bytes == 0 &&
                       peer.arrived.files == 0 && peer.arrived.bytes == 0 && !peer.put_off_because &&
                       !peer.again_at;
  if (nothing) return nullptr;
  return {{"attempt", peer.attempt},
          {"planned", amount(peer.planned)},
          {"arrived", amount(peer.arrived)},
          {"put_off_because", error_object(peer.put_off_because)},
          {"again_at", time(peer.again_at)}};
}

Json peer(const ServicePeer& peer, WallTime now) {
  const auto seconds = age(peer, now);
  return {{"name", peer.name},
          {"type", to_string(peer.type)},
          {"group", name(peer.group)},
          {"condition", to_string(peer.condition)},
          {"stale", peer.stale},
          {"last_good", time(peer.last_good)},
          {"age_seconds", seconds ? Json(seconds->count()) : Json(nullptr)},
          {"files", peer.files},
          {"bytes", peer.bytes},
          {"status", peer.last_status ? Json(to_string(*peer.last_status)) : Json(nullptr)},
          {"error", error_object(peer.last_failure)},
          {"seconds", in_seconds(peer.last_duration)},
          {"attempts", peer.last_attempts},
          {"failures_since", peer.failures_since},
          {"progress", progress(peer)}};
}

Json counters(const ServiceCounters& counters) {
  return {{"runs",
           {{"ok", counters.runs_ok},
            {"failed", counters.runs_failed},
            {"not_ready", counters.runs_not_ready},
            {"interrupted", counters.runs_interrupted},
            {"error", counters.runs_error}}},
          {"slots_skipped", counters.slots_skipped},
          {"files_received", counters.files_received},
          {"bytes_received", counters.bytes_received}};
}

template <typename Values, typename Write>
Json list(const Values& values, Write write) {
  Json result = Json::array();
  for (const auto& value : values) result.push_back(write(value));
  return result;
}

}  // namespace

std::string to_json(const ServiceState& state) {
  const Json document{
      {"version", 1},
      {"time", utc(state.now)},
      {"daemon", daemon(state)},
      {"run", run(state.run)},
      {"queue", list(state.queue, queued)},
      {"jobs", list(state.jobs, job)},
      {"peers", list(state.peers, [&state](const ServicePeer& each) { return peer(each, state.now); })},
      {"counters", counters(state.counters)}};
  return document_text(document);
}

}  // namespace peerstage::daemon
