#include "daemon/catalog/recorder.h"

#include <exception>

namespace peerstage::daemon {
namespace {

constexpr std::size_t files_at_once = 1'000;
/// As many as a peer may have; what a worker tells beyond is not written.
constexpr std::size_t most_files = 1'000'000;

}  // namespace

void CatalogRecorder::begun(const RunReport& report) {
  run_ = report.id;
  date_ = report.date;
  begun_ = true;
  failed_ = false;
  peers_.clear();
  for (const PeerReport& peer : report.peers) peers_.push_back({peer.name, false, false, false, 0, {}});
  attempt([&] { catalog_.begin_run(report, origin_); });
}

void CatalogRecorder::started(std::size_t peer, unsigned /*attempt*/) {
  PeerState& state = peers_[peer];
  state.again = state.begun;
  state.waiting.clear();
  if (state.begun) return;
  state.begun = true;
  attempt([&] { catalog_.begin_peer(run_, state.name); });
}

/// For whoever goes on with this run: it is not to be begun again, and how it ended is not known yet.
void CatalogRecorder::action_begun(std::size_t peer, const std::string& action) {
  ActionReport report;
  report.action = action;
  report.status = ActionReport::Status::failed;
  report.begun = true;
  report.failure = peers::Failure{peers::FailureKind::permanent,
                                  "the managed action " + action + " was begun, and may still be going on"};
  action_ended(peer, report);
}

void CatalogRecorder::action_ended(std::size_t peer, const ActionReport& report) {
  attempt([&] { catalog_.record_action(run_, peers_[peer].name, report); });
}

void CatalogRecorder::file(std::size_t peer, const WorkFile& file) {
  PeerState& state = peers_[peer];
  if (failed_) return;
  if (state.again) {
    if (state.told) attempt([&] { catalog_.drop_files(run_, state.name); });
    state.again = false;
    state.told = false;
    state.count = 0;
  }
  if (state.count == most_files) return;
  ++state.count;
  state.waiting.push_back(file);
  if (state.waiting.size() == files_at_once) write_waiting(state);
}

void CatalogRecorder::finished(std::size_t peer, const PeerReport& report) {
  PeerState& state = peers_[peer];
  if (state.count > 0 && state.count != report.files) {
    forget(state);
  } else if (!state.waiting.empty()) {
    write_waiting(state);
  }
  std::vector<WorkFile>().swap(state.waiting);
  attempt([&] { catalog_.end_peer(run_, report); });
}

/// The day has changed, and what it is now was not told to its end: the attempt was killed.
void CatalogRecorder::forget(const PeerState& peer) {
  attempt([&] {
    catalog_.drop_files(run_, peer.name);
    catalog_.forget_files(peer.name, date_);
  });
}

void CatalogRecorder::ended(const RunReport& report) {
  // Whoever does not get the lock has done nothing, and comes again.
  if (report.error && report.error->reason == RunError::Reason::locked) return;
  if (!begun_) {  // it could not even begin
    failed_ = false;
    attempt([&] { catalog_.begin_run(report, origin_); });
  }
  // Tried in any case: what hindered us may be over, and a run without an end looks like a crash.
  const bool failed_before = std::exchange(failed_, false);
  const Complain complain = failed_before ? std::exchange(complain_, nullptr) : nullptr;
  attempt([&] { catalog_.end_run(report); });
  if (failed_before) complain_ = complain;
  begun_ = false;
  peers_.clear();
}

void CatalogRecorder::write_waiting(PeerState& peer) {
  attempt([&] { catalog_.add_files(run_, peer.name, peer.waiting); });
  peer.told = true;
  peer.waiting.clear();
}

void CatalogRecorder::attempt(const std::function<void()>& act) {
  if (failed_) return;
  try {
    act();
  } catch (const std::exception& error) {
    failed_ = true;
    if (complain_) complain_(error.what());
  }
}

}  // namespace peerstage::daemon
