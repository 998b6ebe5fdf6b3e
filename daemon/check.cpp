#include "daemon/check.h"

#include <ostream>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

std::string findings_text(const std::string& path, const std::vector<config::Finding>& findings) {
  std::string text;
  for (const auto& finding : findings) text += finding_line(finding);
  if (!config::has_errors(findings)) text += peers::printable(path) + ": configuration is valid\n";
  return text;
}

}  // namespace

std::string finding_line(const config::Finding& finding) {
  return (finding.severity == config::Severity::error ? "error: " : "warning: ") + finding.text() + "\n";
}

ExitCode check_configuration(const std::string& path, CheckFormat format, const ConfigurationJudge& judge,
                             std::ostream& output) {
  const std::vector<config::Finding> findings = judge(path);
  output << (format == CheckFormat::json ? findings_json(findings) : findings_text(path, findings))
         << std::flush;
  return config::has_errors(findings) ? ExitCode::configuration : ExitCode::ok;
}

}  // namespace peerstage::daemon
