#include "daemon/report.h"

#include <algorithm>
#include <map>

#include "daemon/readable.h"
#include "daemon/text_table.h"

namespace peerstage::daemon {
namespace {

bool any_peer(const RunReport& report, PeerStatus status) {
  return std::any_of(report.peers.begin(), report.peers.end(),
                     [status](const PeerReport& peer) { return peer.status == status; });
}

bool any_action_failed(const RunReport& report) {
  return std::ranges::any_of(report.actions, [](const ActionReport& action) {
    return action.status == ActionReport::Status::failed;
  });
}

std::string outcome(const ActionReport& action) {
  std::string text =
      action.action + ": " + to_string(action.status) + ", " + readable_duration(action.duration);
  if (action.failure) text += ", " + action.failure->message;
  return text + "\n";
}

std::vector<std::string> row(const PeerReport& peer) {
  return {peer.name,
          to_string(peer.type),
          to_string(peer.status),
          std::to_string(peer.files),
          readable_size(peer.bytes),
          std::to_string(peer.reused_files),
          std::to_string(peer.attempts),
          readable_duration(peer.duration)};
}

std::string left_out(const PeerReport& peer) {
  std::map<std::string, std::size_t> reasons;
  for (const auto& entry : peer.skipped) ++reasons[entry.reason];
  std::string details;
  for (const auto& [reason, count] : reasons)
    details += (details.empty() ? "" : ", ") + reason + " " + std::to_string(count);
  if (peer.skipped_unlisted > 0) details += ", not listed " + std::to_string(peer.skipped_unlisted);
  return peer.name + ": left out: " + std::to_string(peer.skipped.size() + peer.skipped_unlisted) + " (" +
         details + ")\n";
}

}  // namespace

const char* to_string(PeerType type) {
  return type == PeerType::local ? "local" : "remote";
}

const char* to_string(PeerStatus status) {
  switch (status) {
    case PeerStatus::staged:
      return "staged";
    case PeerStatus::unchanged:
      return "unchanged";
    case PeerStatus::not_ready:
      return "not_ready";
    case PeerStatus::ignored:
      return "ignored";
    case PeerStatus::failed:
      return "failed";
    case PeerStatus::cancelled:
      return "cancelled";
  }
  return "failed";
}

const char* to_string(ActionReport::Status status) {
  switch (status) {
    case ActionReport::Status::ok:
      return "ok";
    case ActionReport::Status::failed:
      return "failed";
    case ActionReport::Status::cancelled:
      return "cancelled";
    case ActionReport::Status::refused:
      return "refused";
  }
  return "failed";
}

bool is_good(PeerStatus status) {
  return status == PeerStatus::staged || status == PeerStatus::unchanged;
}

const char* to_string(RunError::Reason reason) {
  switch (reason) {
    case RunError::Reason::command_line:
      return "command_line";
    case RunError::Reason::unusable:
      return "unusable";
    case RunError::Reason::locked:
      return "locked";
  }
  return "unusable";
}

const char* to_string(RunStatus status) {
  switch (status) {
    case RunStatus::ok:
      return "ok";
    case RunStatus::failed:
      return "failed";
    case RunStatus::not_ready:
      return "not_ready";
    case RunStatus::interrupted:
      return "interrupted";
    case RunStatus::error:
      return "error";
  }
  return "error";
}

RunStatus status(const RunReport& report) {
  if (report.interruption == Interruption::by_signal || any_peer(report, PeerStatus::cancelled))
    return RunStatus::interrupted;
  if (report.error) return RunStatus::error;
  if (any_peer(report, PeerStatus::failed) || any_action_failed(report)) return RunStatus::failed;
  if (any_peer(report, PeerStatus::not_ready)) return RunStatus::not_ready;
  return RunStatus::ok;
}

ExitCode exit_code(const RunReport& report) {
  switch (status(report)) {
    case RunStatus::ok:
      return ExitCode::ok;
    case RunStatus::failed:
      return ExitCode::peer_failed;
    case RunStatus::not_ready:
      return ExitCode::not_ready;
    case RunStatus::interrupted:
      return ExitCode::interrupted;
    case RunStatus::error:
      break;
  }
  switch (report.error->reason) {
    case RunError::Reason::command_line:
      return ExitCode::command_line;
    case RunError::Reason::unusable:
      return ExitCode::error;
    case RunError::Reason::locked:
      return ExitCode::locked;
  }
  return ExitCode::error;
}

std::string summary_table(const RunReport& report) {
  TextTable table({{"peer", Align::left},
                   {"type", Align::left},
                   {"status", Align::left},
                   {"files", Align::right},
                   {"size", Align::right},
                   {"reused", Align::right},
                   {"attempts", Align::right},
                   {"time", Align::right}});
  for (const auto& peer : report.peers) table.add(row(peer));
  std::string text = report.peers.empty() ? std::string() : table.text();
  for (const auto& peer : report.peers)
    if (peer.failure) text += peer.name + ": " + peer.failure->message + "\n";
  for (const auto& peer : report.peers)
    if (!peer.skipped.empty()) text += left_out(peer);
  for (const auto& action : report.actions) text += outcome(action);
  if (report.error) text += report.error->message + "\n";
  return text;
}

}  // namespace peerstage::daemon
