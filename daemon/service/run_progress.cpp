#include "daemon/service/run_progress.h"

#include <utility>

namespace peerstage::daemon {
namespace {

void add_to(Amount& sum, const Amount& amount) {
  sum.files += amount.files;
  sum.bytes += amount.bytes;
}

void take_from(Amount& sum, const Amount& amount) {
  sum.files -= amount.files;
  sum.bytes -= amount.bytes;
}

/// The size of the work at this peer is not known yet, or no longer.
bool is_unplanned(const RunProgress::Activity& peer) {
  return !peer.done && peer.phase != PeerCondition::transferring;
}

}  // namespace

RunProgress::RunProgress(const RunReport& report) : peers_(report.peers.size()) {
  sum_.id = report.id;
  sum_.date = report.date;
  sum_.started = report.started;
  sum_.peers = sum_.unplanned = report.peers.size();
  names_.reserve(report.peers.size());
  for (std::size_t i = 0; i < report.peers.size(); ++i) {
    names_.push_back(report.peers[i].name);
    if (report.peers[i].status != PeerStatus::cancelled) finished(i, report.peers[i].status);
  }
}

/// The sums hold what `add` put there: whoever changes a peer takes it away before, and adds it again.
void RunProgress::add(const Activity& peer) {
  add_to(sum_.planned, peer.earlier);
  add_to(sum_.planned, peer.planned);
  add_to(sum_.arrived, peer.earlier);
  add_to(sum_.arrived, peer.arrived);
  if (is_unplanned(peer)) ++sum_.unplanned;
}

void RunProgress::take_away(const Activity& peer) {
  take_from(sum_.planned, peer.earlier);
  take_from(sum_.planned, peer.planned);
  take_from(sum_.arrived, peer.earlier);
  take_from(sum_.arrived, peer.arrived);
  if (is_unplanned(peer)) --sum_.unplanned;
}

void RunProgress::started(std::size_t peer, unsigned attempt) {
  Activity& now = peers_[peer];
  take_away(now);
  add_to(now.earlier, now.arrived);
  now.planned = now.arrived = {};
  now.phase = PeerCondition::connecting;
  now.attempt = attempt;
  now.put_off_because.reset();
  now.again_at.reset();
  add(now);
}

void RunProgress::planned(std::size_t peer, Amount amount) {
  Activity& now = peers_[peer];
  take_away(now);
  now.phase = PeerCondition::transferring;
  now.planned = amount;
  add(now);
}

Amount RunProgress::progress(std::size_t peer, Amount amount) {
  Activity& now = peers_[peer];
  const Amount before = now.arrived;
  take_away(now);
  now.arrived = amount;
  add(now);
  return {amount.files > before.files ? amount.files - before.files : 0,
          amount.bytes > before.bytes ? amount.bytes - before.bytes : 0};
}

void RunProgress::put_off(std::size_t peer, peers::Failure because, WallTime again_at) {
  Activity& now = peers_[peer];
  take_away(now);
  now.phase = PeerCondition::put_off;
  now.planned = now.arrived;  // the rest is planned anew by the next attempt
  now.put_off_because = std::move(because);
  now.again_at = again_at;
  add(now);
}

void RunProgress::finished(std::size_t peer, PeerStatus status) {
  Activity& now = peers_[peer];
  if (now.done) return;
  take_away(now);
  now.done = true;
  now.planned = now.arrived;  // what a failed peer did not deliver will not come any more
  add(now);
  ++sum_.done;
  if (status == PeerStatus::failed) ++sum_.failed;
  if (status == PeerStatus::not_ready) ++sum_.not_ready;
}

ServiceRun RunProgress::summary() const {
  ServiceRun run = sum_;
  run.bytes_per_second = rate_.bytes_per_second();
  return run;
}

}  // namespace peerstage::daemon
