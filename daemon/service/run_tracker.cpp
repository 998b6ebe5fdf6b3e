#include "daemon/service/run_tracker.h"

#include <utility>

namespace peerstage::daemon {
namespace {

/// What a total of `sum` becomes when one part of it changes.
void replace(Amount& sum, const Amount& before, const Amount& after) {
  sum.files = sum.files - before.files + after.files;
  sum.bytes = sum.bytes - before.bytes + after.bytes;
}

Amount plus(const Amount& left, const Amount& right) {
  return {left.files + right.files, left.bytes + right.bytes};
}

}  // namespace

RunTracker::PeerAmounts& RunTracker::amounts(std::size_t peer) {
  if (peers_.size() <= peer) peers_.resize(peer + 1);
  return peers_[peer];
}

void RunTracker::begun(const RunReport& report) {
  run_.id = report.id;
  run_.date = report.date;
  run_.started = report.started;
  run_.peers = report.peers.size();
  run_.unplanned = run_.peers;
}

void RunTracker::know_size(PeerAmounts& peer) {
  if (std::exchange(peer.is_planned, true)) return;
  if (run_.unplanned > 0) --run_.unplanned;
}

void RunTracker::planned(std::size_t peer, const WorkPlanned& plan) {
  PeerAmounts& of_peer = amounts(peer);
  const Amount all = plus(of_peer.earlier, {plan.files, plan.bytes});
  know_size(of_peer);
  replace(run_.planned, of_peer.planned, all);
  of_peer.planned = all;
}

void RunTracker::progress(std::size_t peer, const WorkProgress& progress) {
  PeerAmounts& of_peer = amounts(peer);
  const Amount all = plus(of_peer.earlier, {progress.files, progress.bytes});
  // An attempt counts from zero again; what it did not fetch anew was counted when it came.
  counters_.files_received += all.files > of_peer.arrived.files ? all.files - of_peer.arrived.files : 0;
  counters_.bytes_received += all.bytes > of_peer.arrived.bytes ? all.bytes - of_peer.arrived.bytes : 0;
  replace(run_.arrived, of_peer.arrived, all);
  of_peer.arrived = all;
}

void RunTracker::put_off(std::size_t peer, const WorkResult&, std::chrono::milliseconds) {
  PeerAmounts& of_peer = amounts(peer);
  of_peer.earlier = of_peer.arrived;
}

void RunTracker::finished(std::size_t peer, const PeerReport& report) {
  know_size(amounts(peer));
  ++run_.done;
  if (report.status == PeerStatus::failed) ++run_.failed;
  if (report.status == PeerStatus::not_ready) ++run_.not_ready;
}

void RunTracker::tick() {
  rate_.sample(run_.arrived.bytes, timeline_.steady_now());
  run_.bytes_per_second = rate_.bytes_per_second();
}

}  // namespace peerstage::daemon
