#include "daemon/check.h"

#include <iostream>

#include "config/load.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

std::string findings_text(const std::string& path, const std::vector<config::Finding>& findings) {
  std::string text;
  for (const auto& finding : findings) {
    text += finding.severity == config::Severity::error ? "error: " : "warning: ";
    text += finding.text() + "\n";
  }
  if (!config::has_errors(findings)) text += peers::printable(path) + ": configuration is valid\n";
  return text;
}

}  // namespace

ExitCode check_configuration(const CheckCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  const auto format = command.json ? FindingsFormat::json : FindingsFormat::text;
  return show_findings(path, config::check(path, started_as()), format, std::cout);
}

ExitCode show_findings(const std::string& path, const std::vector<config::Finding>& findings,
                       FindingsFormat format, std::ostream& output) {
  output << (format == FindingsFormat::json ? findings_json(findings) : findings_text(path, findings))
         << std::flush;
  return config::has_errors(findings) ? ExitCode::configuration : ExitCode::ok;
}

ExitCode show_findings(const std::string& path, const std::vector<config::Finding>& findings,
                       FindingsFormat format) {
  return show_findings(path, findings, format, format == FindingsFormat::json ? std::cout : std::cerr);
}

}  // namespace peerstage::daemon
