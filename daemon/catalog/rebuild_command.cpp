#include "daemon/catalog/rebuild_command.h"

#include <chrono>
#include <iostream>
#include <string>

#include "config/load.h"
#include "daemon/catalog/catalog.h"
#include "daemon/catalog/rebuild.h"
#include "daemon/check.h"
#include "daemon/user.h"

namespace peerstage::daemon {
namespace {

/// Silence when there was nothing to do: the daemon puts what is said here into its log at each start.
ExitCode tell(const RebuildReport& report, std::uint64_t forgotten) {
  if (report.peer_days > 0) {
    std::cout << "the catalog was given " << report.peer_days << " days of peers with " << report.files
              << " files, from their manifests\n";
  }
  if (forgotten > 0) std::cout << "the catalog has forgotten " << forgotten << " days that are gone\n";
  for (const std::string& problem : report.problems) std::cerr << problem << '\n';
  if (report.problems_unlisted > 0)
    std::cerr << report.problems_unlisted << " more problems are not listed\n";
  return report.problems.empty() ? ExitCode::ok : ExitCode::peer_failed;
}

}  // namespace

ExitCode rebuild(const RebuildCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  const auto loaded = config::load(path, started_as());
  if (!loaded.config) return show_findings(path, loaded.findings, FindingsFormat::text);
  const auto& daemon = loaded.config->peerstage.daemon;
  if (!daemon || !loaded.config->stage) {
    std::cerr << "peerstage rebuild: " << path << " has no <daemon> section or no stage section\n";
    return ExitCode::error;
  }
  try {
    Catalog catalog(daemon->catalog, Catalog::Access::read_write);
    const std::string& staging_dir = loaded.config->stage->staging_dir;
    const RebuildReport report = rebuild_catalog(catalog, staging_dir);
    return tell(report, tidy_catalog(catalog, staging_dir, std::chrono::system_clock::now()));
  } catch (const std::exception& error) {
    std::cerr << "peerstage rebuild: " << error.what() << '\n';
    return ExitCode::error;
  }
}

}  // namespace peerstage::daemon
