#include "daemon/control/steer_command.h"

#include <iostream>
#include <string>

#include "config/finding.h"
#include "daemon/control/control_address.h"
#include "daemon/control/control_client.h"
#include "daemon/report_json.h"
#include "daemon/service/page.h"

namespace peerstage::daemon {
namespace {

const char* name_of(SteerCommand::What what) {
  switch (what) {
    case SteerCommand::What::pause:
      return "pause";
    case SteerCommand::What::resume:
      return "resume";
    case SteerCommand::What::reload:
      break;
  }
  return "reload";
}

const char* what_came_of(SteerCommand::What what) {
  switch (what) {
    case SteerCommand::What::pause:
      return "The schedule is paused: nothing begins by itself until 'peerstage resume'.";
    case SteerCommand::What::resume:
      return "The schedule goes on.";
    case SteerCommand::What::reload:
      break;
  }
  return "The configuration was read again; it is that of the next run.";
}

std::string text_of(const Json& finding, const char* member) {
  const auto found = finding.find(member);
  return found != finding.end() && found->is_string() ? shown(found->get<std::string>()) : "";
}

/// As `peerstage check` prints them.
void print_findings(const ControlAnswer& answer) {
  const Json document = Json::parse(answer.body, nullptr, false);
  if (!document.is_object() || !document.contains("findings")) return;
  for (const Json& each : document["findings"]) {
    if (!each.is_object()) continue;
    config::Finding finding;
    finding.file = text_of(each, "file");
    finding.element = text_of(each, "element");
    finding.message = text_of(each, "message");
    finding.severity =
        text_of(each, "severity") == "warning" ? config::Severity::warning : config::Severity::error;
    if (each.contains("line") && each["line"].is_number_integer()) finding.line = each["line"].get<int>();
    std::cerr << (finding.severity == config::Severity::warning ? "warning: " : "error: ") << finding.text()
              << '\n';
  }
}

ExitCode report(const SteerCommand& command, const ControlAnswer& answer) {
  if (command.json)
    std::cout << answer.body << std::flush;
  else if (command.what == SteerCommand::What::reload)
    print_findings(answer);
  if (answer.good()) {
    if (!command.json) std::cout << what_came_of(command.what) << std::endl;
    return ExitCode::ok;
  }
  std::cerr << "peerstage " << name_of(command.what) << ": " << error_of(answer) << '\n';
  return answer.status == 422 ? ExitCode::configuration : ExitCode::error;
}

}  // namespace

ExitCode steer_daemon(const SteerCommand& command) {
  const ControlPlace place = find_daemon(command.address);
  try {
    return report(command, ControlClient(place.socket).post("/v1/" + std::string(name_of(command.what))));
  } catch (const ControlError& error) {
    complain(name_of(command.what), error, place, command.json ? FindingsFormat::json : FindingsFormat::text);
  }
  return ExitCode::error;
}

}  // namespace peerstage::daemon
