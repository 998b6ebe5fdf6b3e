#include "daemon/service/metrics.h"

#include <algorithm>
#include <array>

#include "daemon/service/exposition.h"

namespace peerstage::daemon {
namespace {

constexpr auto counter = Exposition::Kind::counter;
constexpr auto gauge = Exposition::Kind::gauge;

/// Seconds since the epoch.
std::uint64_t timestamp(WallTime when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<decltype(seconds)>(seconds, 0));
}

/// In seconds; a clock that was set back makes nothing younger than new.
std::uint64_t age(WallTime now, WallTime when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - when).count();
  return static_cast<std::uint64_t>(std::max<decltype(seconds)>(seconds, 0));
}

void write_daemon(Exposition& out, const ServiceState& state) {
  out.family("peerstage_build_info", gauge, "Always 1; the version of the daemon is a label.");
  out.sample(1, {{"version", state.version}});
  out.single("peerstage_paused", gauge, "1 while the schedule is paused.", state.paused ? 1 : 0);
  out.single("peerstage_config_last_reload_successful", gauge,
             "1 when the configuration that was read last is in force.", state.config_error ? 0 : 1);
  out.single("peerstage_config_last_reload_success_timestamp_seconds", gauge,
             "When the configuration that is in force was read.", timestamp(state.config_loaded));
  out.single("peerstage_catalog_ok", gauge, "1 when the catalog can be used.", state.catalog_error ? 0 : 1);
  out.family("peerstage_stale_after_seconds", gauge,
             "A peer whose last good stage is older is stale: stale_after of the configuration.");
  out.sample_milliseconds(state.stale_after.count());
}

void write_process(Exposition& out, const ServiceState& state, MetricsReader reader) {
  const std::string prefix = reader == MetricsReader::textfile_collector ? "peerstage_" : "";
  out.single(prefix + "process_start_time_seconds", gauge, "When the daemon was started.",
             timestamp(state.started));
  out.single(prefix + "process_resident_memory_bytes", gauge, "Resident memory of the daemon itself.",
             state.memory_bytes);
  out.single(prefix + "process_open_fds", gauge, "Open file descriptors of the daemon itself.",
             state.open_descriptors);
}

void write_counters(Exposition& out, const ServiceCounters& counters) {
  out.family("peerstage_runs_total", counter,
             "Runs that ended since the daemon was started, by their status.");
  out.sample(counters.runs_ok, {{"status", to_string(RunStatus::ok)}});
  out.sample(counters.runs_failed, {{"status", to_string(RunStatus::failed)}});
  out.sample(counters.runs_not_ready, {{"status", to_string(RunStatus::not_ready)}});
  out.sample(counters.runs_interrupted, {{"status", to_string(RunStatus::interrupted)}});
  out.sample(counters.runs_error, {{"status", to_string(RunStatus::error)}});
  out.single("peerstage_slots_skipped_total", counter,
             "Times of the schedule for which no run was begun, since the daemon was started.",
             counters.slots_skipped);
  out.single("peerstage_received_files_total", counter,
             "Files that were fetched from peers since the daemon was started.", counters.files_received);
  out.single("peerstage_received_bytes_total", counter,
             "Bytes that were fetched from peers since the daemon was started.", counters.bytes_received);
}

/// How many peers of the run that is going on are where.
void write_run_peers(Exposition& out, const ServiceState& state) {
  constexpr std::array phases{PeerCondition::waiting, PeerCondition::connecting, PeerCondition::transferring,
                              PeerCondition::put_off, PeerCondition::paused};
  std::array<std::uint64_t, phases.size()> counts{};
  for (const auto& peer : state.peers) {
    const auto phase = std::find(phases.begin(), phases.end(), peer.condition);
    if (phase != phases.end()) ++counts.at(static_cast<std::size_t>(phase - phases.begin()));
  }
  out.family("peerstage_run_peers", gauge, "Peers of the run that is going on, by what it does with them.");
  for (std::size_t i = 0; i < phases.size(); ++i)
    out.sample(counts.at(i), {{"state", to_string(phases.at(i))}});
  out.sample(state.run ? state.run->done : 0, {{"state", "done"}});
}

/// All 0 when no run is going on: a series that is not there cannot be told from one that is broken.
void write_run(Exposition& out, const ServiceState& state) {
  const ServiceRun run = state.run.value_or(ServiceRun{});
  out.single("peerstage_queued_runs", gauge, "Runs that were asked for and have not begun.",
             state.queue.size());
  out.single("peerstage_run_in_progress", gauge, "1 while a run is going on.", state.run ? 1 : 0);
  out.single("peerstage_run_start_timestamp_seconds", gauge, "When the run that is going on was begun.",
             state.run ? timestamp(run.started) : 0);
  write_run_peers(out, state);
  out.single("peerstage_run_failed_peers", gauge, "Peers that failed in the run that is going on.",
             run.failed);
  out.single("peerstage_run_planned_files", gauge,
             "Files that the run that is going on has to fetch, as far as known.", run.planned.files);
  out.single("peerstage_run_planned_bytes", gauge,
             "Bytes that the run that is going on has to fetch, as far as known.", run.planned.bytes);
  out.single("peerstage_run_arrived_files", gauge, "Of these files, those that have arrived.",
             run.arrived.files);
  out.single("peerstage_run_arrived_bytes", gauge, "Of these bytes, those that have arrived.",
             run.arrived.bytes);
}

void write_jobs(Exposition& out, const std::vector<ServiceJob>& jobs) {
  out.family("peerstage_job_next_run_timestamp_seconds", gauge,
             "When the job is due; absent when it is paused or never will be.");
  for (const auto& job : jobs)
    if (job.next_run) out.sample(timestamp(*job.next_run), {{"name", job.name}});
  out.family("peerstage_job_last_slot_timestamp_seconds", gauge,
             "The last time of the schedule for which the job was begun or given up; 0: none.");
  for (const auto& job : jobs)
    out.sample(job.last_slot ? timestamp(*job.last_slot) : 0, {{"name", job.name}});
}

/// One family: `value` of each peer.
template <typename Value>
void each_peer(Exposition& out, const ServiceState& state, std::string_view name, std::string_view help,
               Value value) {
  out.family(name, gauge, help);
  for (const auto& peer : state.peers) out.sample(value(peer), {{"peer", peer.name}});
}

/// One series a state, of which one is 1. What a run does with a peer is not among them: a peer that failed
/// is failed until it was staged.
void write_peer_states(Exposition& out, const std::vector<ServicePeer>& peers) {
  out.family("peerstage_peer_state", gauge,
             "1 for how the peer stands since its last run, 0 for all other states.");
  for (const auto& peer : peers) {
    const PeerCondition stands = standing(peer);
    for (const auto each :
         {PeerCondition::never_staged, PeerCondition::good, PeerCondition::ignored, PeerCondition::not_ready,
          PeerCondition::failed, PeerCondition::cancelled, PeerCondition::stale})
      out.sample(each == stands ? 1 : 0, {{"peer", peer.name}, {"state", to_string(each)}});
  }
}

void write_peers(Exposition& out, const ServiceState& state) {
  using Peer = ServicePeer;
  out.family("peerstage_peer_info", gauge, "Always 1; what is configured of the peer are labels.");
  for (const auto& peer : state.peers)
    out.sample(1, {{"peer", peer.name}, {"type", to_string(peer.type)}, {"group", peer.group}});
  write_peer_states(out, state.peers);
  each_peer(out, state, "peerstage_peer_stale", "1 when the peer had no good stage for stale_after.",
            [](const Peer& peer) { return peer.stale ? 1U : 0U; });
  each_peer(out, state, "peerstage_peer_last_success_timestamp_seconds",
            "When the peer was last found staged; 0: never.",
            [](const Peer& peer) { return peer.last_good ? timestamp(*peer.last_good) : 0; });
  // Stands still in a file when the daemon does; the timestamp above is for alerts.
  out.family("peerstage_peer_last_success_age_seconds", gauge,
             "How long ago that was when this was written; absent: never.");
  for (const auto& peer : state.peers)
    if (peer.last_good) out.sample(age(state.now, *peer.last_good), {{"peer", peer.name}});
  each_peer(out, state, "peerstage_peer_files", "Files of the peer's last good stage.",
            [](const Peer& peer) { return peer.files; });
  each_peer(out, state, "peerstage_peer_bytes", "Bytes of the peer's last good stage.",
            [](const Peer& peer) { return peer.bytes; });
  each_peer(out, state, "peerstage_peer_last_attempts", "How often the peer's last run tried it.",
            [](const Peer& peer) { return peer.last_attempts; });
  each_peer(out, state, "peerstage_peer_failures_since_success",
            "Runs since the last good stage in which the peer was not staged.",
            [](const Peer& peer) { return peer.failures_since; });
  out.family("peerstage_peer_last_duration_seconds", gauge, "How long the peer's last run took for it.");
  for (const auto& peer : state.peers)
    out.sample_milliseconds(peer.last_duration.count(), {{"peer", peer.name}});
}

}  // namespace

std::string metrics_text(const ServiceState& state, MetricsReader reader) {
  Exposition out;
  write_daemon(out, state);
  write_process(out, state, reader);
  write_counters(out, state.counters);
  write_run(out, state);
  write_jobs(out, state.jobs);
  write_peers(out, state);
  return out.take();
}

}  // namespace peerstage::daemon
