#include "daemon/actions/collect_report.h"

#include <algorithm>

#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/text_table.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using peers::collect::CollectReport;
using peers::collect::ItemReport;

bool is_complete(const ItemReport& item) {
  return item.status != ItemReport::Status::failed && item.status != ItemReport::Status::incomplete;
}

Json item_object(const ItemReport& item) {
  Json archives = Json::array();
  for (const std::string& name : item.archives) archives.push_back(peers::printable(name));
  return {{"path", peers::printable(item.path)},
          {"status", to_string(item.status)},
          {"archives", archives},
          {"files", item.files},
          {"bytes", item.bytes},
          {"warnings", item.warnings},
          {"more_warnings", item.more_warnings},
          {"error", item.failure.empty() ? Json(nullptr) : Json(item.failure)}};
}

}  // namespace

ExitCode exit_code(const CollectReport& report) {
  if (report.cancelled) return ExitCode::interrupted;
  if (report.locked) return ExitCode::locked;
  if (report.error) return ExitCode::error;
  return std::ranges::all_of(report.items, is_complete) ? ExitCode::ok : ExitCode::peer_failed;
}

std::string to_json(const CollectReport& report) {
  Json items = Json::array();
  for (const ItemReport& item : report.items) items.push_back(item_object(item));
  return document_text({{"version", 1},
                        {"marked", report.marked},
                        {"items", items},
                        {"error", report.error ? Json(*report.error) : Json(nullptr)}});
}

std::string summary_table(const CollectReport& report) {
  TextTable table({{"item", Align::left},
                   {"status", Align::left},
                   {"files", Align::right},
                   {"size", Align::right},
                   {"archives", Align::right}});
  for (const ItemReport& item : report.items) {
    table.add({peers::printable(item.path), to_string(item.status), std::to_string(item.files),
               readable_size(item.bytes), std::to_string(item.archives.size())});
  }
  std::string text = report.items.empty() ? std::string() : table.text();
  for (const ItemReport& item : report.items) {
    const std::uint64_t warnings = item.warnings.size() + item.more_warnings;
    if (warnings > 0) text += peers::printable(item.path) + ": " + peers::counted(warnings, "warning") + "\n";
    if (!item.failure.empty()) text += item.failure + "\n";
  }
  return text;
}

}  // namespace peerstage::daemon
