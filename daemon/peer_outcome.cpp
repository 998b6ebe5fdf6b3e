#include "daemon/peer_outcome.h"

namespace peerstage::daemon {
namespace {

PeerStatus status_of(const PeerOutcome& outcome, config::IgnoreFailures ignore, DayKind day) {
  if (outcome.cancelled) return PeerStatus::cancelled;
  if (!outcome.result.failure) {
    return outcome.result.change == TreeChange::changed ? PeerStatus::staged : PeerStatus::unchanged;
  }
  if (*outcome.result.failure != peers::FailureKind::not_ready) return PeerStatus::failed;
  return is_ignored(ignore, day) ? PeerStatus::ignored : PeerStatus::not_ready;
}

}  // namespace

PeerReport report_of(const config::StagePeer& peer, const PeerOutcome& outcome, DayKind day) {
  PeerReport report;
  report.name = peer.name;
  report.type = peer.ssh ? PeerType::remote : PeerType::local;
  report.status = status_of(outcome, peer.ignore_failures, day);
  report.files = outcome.result.files;
  report.bytes = outcome.result.bytes;
  report.reused_files = outcome.result.reused_files;
  report.attempts = outcome.attempts;
  report.duration = outcome.elapsed;
  report.skipped_unlisted = outcome.skipped_unlisted;
  for (const WorkSkipped& skipped : outcome.skipped) report.skipped.push_back({skipped.name, skipped.reason});
  if (outcome.result.failure)
    report.failure = peers::Failure{*outcome.result.failure, outcome.result.message};
  return report;
}

PeerOutcome never_done(peers::FailureKind kind, const std::string& message) {
  PeerOutcome outcome;
  outcome.cancelled = kind == peers::FailureKind::cancelled;
  outcome.result.failure = kind;
  outcome.result.message = message;
  return outcome;
}

}  // namespace peerstage::daemon
