#include "daemon/exec_report.h"

#include <algorithm>

#include "daemon/report_json.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using Status = ExecPeerReport::Status;

Json object_of(const ExecPeerReport& peer) {
  Json object = {{"name", peer.name}, {"status", to_string(peer.status)}};
  object["exit_status"] = peer.exit_status ? Json(*peer.exit_status) : Json(nullptr);
  object["signal"] = peer.signal.empty() ? Json(nullptr) : Json(peers::printable(peer.signal));
  object["output"] = peers::printable(peer.output);
  object["error_output"] = peers::printable(peer.error_output);
  object["output_bytes"] = peer.output_bytes;
  object["error_bytes"] = peer.error_bytes;
  object["seconds"] = static_cast<double>(peer.duration.count()) / 1000;
  object["error"] = peer.error.empty() ? Json(nullptr) : Json(peer.error);
  return object;
}

}  // namespace

const char* to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::failed:
      return "failed";
    case Status::unreachable:
      return "unreachable";
    case Status::cancelled:
      return "cancelled";
  }
  return "failed";
}

ExitCode exit_code(const ExecReport& report) {
  if (report.interruption == Interruption::by_signal) return ExitCode::interrupted;
  if (report.error) {
    return report.error->reason == RunError::Reason::command_line ? ExitCode::command_line : ExitCode::error;
  }
  const bool all_ok =
      std::ranges::all_of(report.peers, [](const ExecPeerReport& peer) { return peer.status == Status::ok; });
  return all_ok ? ExitCode::ok : ExitCode::peer_failed;
}

std::string to_json(const ExecReport& report) {
  Json document = {{"version", 1}, {"exit_code", static_cast<int>(exit_code(report))}};
  document["error"] = report.error ? Json(report.error->message) : Json(nullptr);
  document["peers"] = Json::array();
  for (const ExecPeerReport& peer : report.peers) document["peers"].push_back(object_of(peer));
  return document_text(document);
}

}  // namespace peerstage::daemon
