#include "daemon/service/service_config.h"

#include <stdexcept>
#include <utility>

#include <unistd.h>

#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

void add_error(ServiceConfigResult& result, const std::string& path, const std::string& element,
               const std::string& message) {
  result.findings.push_back({config::Severity::error, path, 0, element, message});
}

/// Only root can hand files over.
void warn_of_another_user(ServiceConfigResult& result, const std::string& path, const std::string& us,
                          const std::string& backup_user) {
  result.findings.push_back({config::Severity::warning, path, 0, "options/backup_user",
                             "is " + peers::printable(backup_user) + ", but the daemon runs as " +
                                 peers::printable(us) + ", who will own what is staged"});
}

/// Users and groups that do not exist are found now, not in the night.
void check_users(ServiceConfigResult& result, const config::Config& config, const config::StagePlan& plan) {
  const auto& control_group = config.peerstage.daemon->control_group;
  try {
    if (::geteuid() == 0)
      look_up_user(plan.backup_user, plan.backup_group);
    else if (const std::string us = calling_user().name; us != plan.backup_user)
      warn_of_another_user(result, config.file, us, plan.backup_user);
    if (control_group) look_up_group(*control_group, "control group", "peerstage/daemon/control_group");
  } catch (const std::runtime_error& error) {
    add_error(result, config.file, "", error.what());
  }
}

}  // namespace

ServiceConfigResult load_service_config(const std::string& path, config::StartedAs started_as) {
  ServiceConfigResult result;
  config::LoadResult loaded = config::load(path, started_as);
  result.findings = std::move(loaded.findings);
  if (!loaded.config) return result;
  const auto plan = config::plan_stage(*loaded.config, result.findings);
  if (!plan && !config::has_errors(result.findings))
    add_error(result, path, "stage", "is missing: the daemon has nothing to stage");
  if (!loaded.config->peerstage.daemon)
    add_error(result, path, "peerstage/daemon", "is missing: it says when the daemon does what");
  if (config::has_errors(result.findings)) return result;
  check_users(result, *loaded.config, *plan);
  if (config::has_errors(result.findings)) return result;
  result.config = ServiceConfig{path, *plan, *loaded.config->peerstage.daemon};
  if (loaded.config->collect) result.config->own_actions.insert("collect");
  if (loaded.config->purge) result.config->own_actions.insert("purge");
  return result;
}

}  // namespace peerstage::daemon
