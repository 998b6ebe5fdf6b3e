#include "daemon/service/peer_book.h"

#include <algorithm>
#include <utility>

namespace peerstage::daemon {
namespace {

/// What a run does with a peer, as the state shows it.
void show_activity(ServicePeer& peer, const RunProgress::Activity& activity,
                   std::optional<WallTime> held_until) {
  peer.condition = activity.phase;
  peer.attempt = activity.attempt;
  peer.planned = activity.planned;
  peer.arrived = activity.arrived;
  peer.put_off_because = activity.put_off_because;
  peer.again_at = activity.again_at;
  const bool at_rest = activity.phase == PeerCondition::waiting || activity.phase == PeerCondition::put_off;
  if (!held_until || !at_rest) return;
  peer.condition = PeerCondition::paused;
  peer.again_at = std::max(activity.again_at.value_or(*held_until), *held_until);
}

}  // namespace

void PeerBook::configure(const std::vector<config::StagePeer>& peers, std::chrono::milliseconds stale_after) {
  stale_after_ = stale_after;
  std::vector<Entry> entries;
  entries.reserve(peers.size());
  for (const auto& peer : peers) {
    const Entry* known = entry_of(peer.name);
    Entry& entry =
        entries.emplace_back(known != nullptr ? *known : Entry{{}, timeline_.steady_now(), {}, {}});
    entry.peer.name = peer.name;
    entry.peer.type = peer.ssh ? PeerType::remote : PeerType::local;
    entry.peer.group = peer.group;
  }
  entries_ = std::move(entries);
  places_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) places_.emplace(entries_[i].peer.name, i);
  find_places();
}

void PeerBook::remember(const std::vector<PeerHistory>& history) {
  for (const auto& past : history) {
    Entry* entry = entry_of(past.name);
    if (entry == nullptr) continue;
    entry->last_run = past.last_run;
    entry->peer.last_good = past.last_good;
    entry->peer.files = past.files;
    entry->peer.bytes = past.bytes;
    entry->peer.failures_since = past.failures_since;
    if (!past.last) continue;
    entry->peer.last_status = past.last->status;
    entry->peer.last_failure = past.last->failure;
    entry->peer.last_duration = past.last->duration;
    entry->peer.last_attempts = past.last->attempts;
  }
}

PeerBook::Entry* PeerBook::entry_of(const std::string& peer) {
  const auto place = places_.find(peer);
  return place == places_.end() ? nullptr : &entries_[place->second];
}

/// Which peer of the run each configured one is.
void PeerBook::find_places() {
  for (auto& entry : entries_) entry.place.reset();
  if (!run_) return;
  for (std::size_t i = 0; i < run_->names().size(); ++i)
    if (Entry* entry = entry_of(run_->names()[i])) entry->place = i;
}

void PeerBook::begun(const RunReport& report) {
  run_.emplace(report);
  find_places();
  for (const auto& peer : report.peers) {
    const Entry* entry = peer.status == PeerStatus::cancelled ? nullptr : entry_of(peer.name);
    if (entry != nullptr && entry->last_run != report.id) settle(report.id, peer, report.started);
  }
}

void PeerBook::started(std::size_t peer, unsigned attempt) {
  if (run_) run_->started(peer, attempt);
}

void PeerBook::planned(std::size_t peer, const WorkPlanned& work) {
  if (run_) run_->planned(peer, {work.files, work.bytes});
}

void PeerBook::progress(std::size_t peer, const WorkProgress& work) {
  if (!run_) return;
  const Amount arrived = run_->progress(peer, {work.files, work.bytes});
  received_.files += arrived.files;
  received_.bytes += arrived.bytes;
}

void PeerBook::put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) {
  if (!run_) return;
  const auto kind = result.failure.value_or(peers::FailureKind::not_ready);
  run_->put_off(peer, {kind, result.message}, timeline_.wall_now() + delay);
}

void PeerBook::finished(std::size_t peer, const PeerReport& report) {
  if (!run_ || run_->of(peer).done) return;
  run_->finished(peer, report.status);
  settle(run_->id(), report, timeline_.wall_now());
}

void PeerBook::tick() {
  if (run_) run_->sample(timeline_.steady_now());
}

/// A good stage counts from the end of its run, as in the catalog, so that a restart changes no age.
void PeerBook::ended(const RunReport& report) {
  run_.reset();
  find_places();
  for (const auto& peer : report.peers) {
    Entry* entry = is_good(peer.status) ? entry_of(peer.name) : nullptr;
    if (entry != nullptr && entry->last_run == report.id) entry->peer.last_good = report.finished;
  }
}

/// A run that is gone on with after an interruption is the same run, and counts once.
void PeerBook::settle(const std::string& run, const PeerReport& report, WallTime when) {
  Entry* entry = entry_of(report.name);
  if (entry == nullptr) return;
  ServicePeer& peer = entry->peer;
  const bool counted = entry->last_run == run && peer.failures_since > 0;
  entry->last_run = run;
  peer.last_status = report.status;
  peer.last_failure = report.failure;
  peer.last_duration = report.duration;
  peer.last_attempts = report.attempts;
  if (is_good(report.status)) {
    peer.last_good = when;
    peer.files = report.files;
    peer.bytes = report.bytes;
    peer.failures_since = 0;
  } else if (!counted) {
    ++peer.failures_since;
  }
}

/// The wall clock may have been wrong when a peer came to be known, so that is a matter of the steady one.
bool PeerBook::is_stale(const Entry& entry, WallTime now) const {
  if (stale_after_.count() == 0) return false;
  if (entry.peer.last_good) return now - *entry.peer.last_good > stale_after_;
  return timeline_.steady_now() - entry.known_since > stale_after_;
}

ServicePeer PeerBook::shown(const Entry& entry, WallTime now, std::optional<WallTime> held_until) const {
  ServicePeer peer = entry.peer;
  peer.stale = is_stale(entry, now);
  peer.condition = standing(peer);
  if (run_ && entry.place && !run_->of(*entry.place).done)
    show_activity(peer, run_->of(*entry.place), held_until);
  return peer;
}

std::vector<ServicePeer> PeerBook::peers(WallTime now, std::optional<WallTime> held_until) const {
  std::vector<ServicePeer> result;
  result.reserve(entries_.size());
  for (const auto& entry : entries_) result.push_back(shown(entry, now, held_until));
  return result;
}

std::vector<ServicePeer> PeerBook::stale(WallTime now) const {
  std::vector<ServicePeer> result;
  for (const auto& entry : entries_)
    if (is_stale(entry, now)) result.push_back(shown(entry, now, std::nullopt));
  return result;
}

std::optional<ServiceRun> PeerBook::run() const {
  if (!run_) return std::nullopt;
  return run_->summary();
}

}  // namespace peerstage::daemon
