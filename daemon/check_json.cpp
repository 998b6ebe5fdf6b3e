#include <nlohmann/json.hpp>

#include "daemon/check.h"
#include "peers/text.h"

namespace peerstage::daemon {

std::string findings_json(const std::vector<config::Finding>& findings) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const auto& finding : findings)
    list.push_back({{"severity", finding.severity == config::Severity::error ? "error" : "warning"},
                    {"file", peers::printable(finding.file)},
                    {"line", finding.line},
                    {"element", finding.element},
                    {"message", finding.message}});
  const Json document{{"valid", !config::has_errors(findings)}, {"findings", std::move(list)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace peerstage::daemon
