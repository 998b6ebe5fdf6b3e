#include "daemon/service/service_config.h"

#include <utility>

namespace peerstage::daemon {
namespace {

void add_error(ServiceConfigResult& result, const std::string& path, const std::string& element,
               const std::string& message) {
  result.findings.push_back({config::Severity::error, path, 0, element, message});
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
  result.config = ServiceConfig{path, *plan, *loaded.config->peerstage.daemon};
  return result;
}

}  // namespace peerstage::daemon
