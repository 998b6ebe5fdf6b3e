#include "daemon/report_json.h"

#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

Json skipped(const std::vector<peers::SkippedEntry>& entries) {
  Json result = Json::array();
  for (const auto& entry : entries)
    result.push_back({{"name", peers::printable(entry.name)}, {"reason", entry.reason}});
  return result;
}

}  // namespace

Json error_object(const std::optional<peers::Failure>& failure) {
  if (!failure) return nullptr;
  return {{"kind", peers::to_string(failure->kind)}, {"message", failure->message}};
}

Json action_object(const ActionReport& report) {
  return {{"action", report.action},
          {"status", to_string(report.status)},
          {"exit_status", report.exit_status ? Json(*report.exit_status) : Json(nullptr)},
          {"signal", report.signal.empty() ? Json(nullptr) : Json(report.signal)},
          {"seconds", static_cast<double>(report.duration.count()) / 1000},
          {"error", error_object(report.failure)}};
}

Json action_objects(const std::vector<ActionReport>& actions) {
  Json result = Json::array();
  for (const ActionReport& action : actions) result.push_back(action_object(action));
  return result;
}

Json peer_object(const PeerReport& report) {
  Json peer = {{"name", report.name},
               {"type", to_string(report.type)},
               {"status", to_string(report.status)},
               {"files", report.files},
               {"bytes", report.bytes},
               {"reused_files", report.reused_files},
               {"attempts", report.attempts},
               {"seconds", static_cast<double>(report.duration.count()) / 1000},
               {"skipped", skipped(report.skipped)},
               {"error", error_object(report.failure)}};
  if (!report.actions.empty()) peer["actions"] = action_objects(report.actions);
  return peer;
}

Json run_object(const RunReport& report) {
  Json run = {{"id", report.id},
              {"action", report.action},
              {"date", iso_date(report.date)},
              {"started", utc(report.started)},
              {"finished", utc(report.finished)},
              {"daily_dir", peers::printable(report.daily_dir)},
              {"status", to_string(status(report))},
              {"exit_code", static_cast<int>(exit_code(report))},
              {"error", report.error ? Json(report.error->message) : Json(nullptr)}};
  if (!report.actions.empty()) run["actions"] = action_objects(report.actions);
  return run;
}

Json peer_objects(const RunReport& report) {
  Json peers = Json::array();
  for (const auto& each : report.peers) peers.push_back(peer_object(each));
  return peers;
}

std::string document_text(const Json& document) {
  // Everything is valid UTF-8 by contract; a document with a replaced character is still better than none.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string error_document(const std::string& sentence) {
  return document_text({{"version", 1}, {"error", sentence}});
}

std::string to_json(const RunReport& report) {
  return document_text({{"version", 1}, {"run", run_object(report)}, {"peers", peer_objects(report)}});
}

}  // namespace peerstage::daemon
