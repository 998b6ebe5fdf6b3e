#include "daemon/check.h"
#include "daemon/report_json.h"
#include "peers/text.h"

namespace peerstage::daemon {

std::string findings_json(const std::vector<config::Finding>& findings) {
  Json list = Json::array();
  for (const auto& finding : findings)
    list.push_back({{"severity", finding.severity == config::Severity::error ? "error" : "warning"},
                    {"file", peers::printable(finding.file)},
                    {"line", finding.line},
                    {"element", finding.element},
                    {"message", finding.message}});
  return document_text({{"valid", !config::has_errors(findings)}, {"findings", std::move(list)}});
}

}  // namespace peerstage::daemon
