#include "daemon/actions/validate_action.h"

#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "config/load.h"
#include "config/report.h"
#include "config/stage_plan.h"
#include "daemon/actions/backup_user_checks.h"
#include "daemon/actions/findings_as.h"
#include "daemon/actions/machine_checks.h"
#include "daemon/check.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using config::Finding;

void append(std::vector<Finding>& findings, const std::vector<Finding>& more) {
  findings.insert(findings.end(), more.begin(), more.end());
}

/// Also where we are somebody else: cback3, and the peers, use these names.
std::optional<User> backup_user(const config::Options& options, config::Report& report) {
  try {
    return look_up_user(options.backup_user, options.backup_group);
  } catch (const std::runtime_error& error) {
    report.error(0, "options", error.what());
    return std::nullopt;
  }
}

/// What was not found when the configuration was loaded.
std::vector<Finding> findings_about_machine(const config::Config& config) {
  config::Report report{config.file};
  const auto user = backup_user(config.options, report);
  check_machine(config, report);
  std::vector<Finding> findings = report.findings();
  const bool is_root = started_as() == config::StartedAs::root;
  if (is_root && !user) return findings;
  const User stager = is_root ? *user : calling_user();
  append(findings, findings_as(stager, config.file, [&](config::Report& as_user) {
           if (is_root && config.stage) check_staging_dir_of_backup_user(*config.stage, stager, as_user);
           check_remote_peers(config, stager, as_user);
         }));
  return findings;
}

std::vector<Finding> findings_about_file(const config::Config& config) {
  if (!config.file.empty()) return config::check(config.file, started_as());
  std::vector<Finding> findings;
  config::plan_stage(config, findings);
  return findings;
}

void log_findings(const std::vector<Finding>& findings, Log& log) {
  for (const Finding& each : findings) {
    const bool is_error = each.severity == config::Severity::error;
    log.write(is_error ? peers::EventLevel::error : peers::EventLevel::warning, each.text());
  }
}

}  // namespace

ActionResult validate_action(const ActionContext& context) {
  const config::Config& config = context.config;
  std::vector<Finding> findings = findings_about_file(config);  // logged by whoever loaded it
  const std::vector<Finding> more = findings_about_machine(config);
  log_findings(more, context.log);
  append(findings, more);
  std::ostringstream table;
  const ExitCode code = show_findings(config.file, findings, FindingsFormat::text, table);
  const std::string file = peers::printable(config.file);
  if (code == ExitCode::ok) {
    context.log.info(file + ": the configuration is valid, and this machine is as it says");
  } else {
    context.log.error(file + ": the configuration is not valid on this machine");
    table << file << ": configuration is not valid\n";
  }
  return {code, findings_json(findings), table.str()};
}

}  // namespace peerstage::daemon
