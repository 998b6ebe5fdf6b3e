#include "daemon/catalog/open_catalog.h"

#include <exception>
#include <iostream>

#include "config/load.h"
#include "daemon/report_json.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {

ExitCode with_catalog(const std::string& command, const std::optional<std::string>& config_path,
                      FindingsFormat format, const std::function<ExitCode(const Catalog&)>& act) {
  const std::string path = config_path.value_or(config::default_path());
  const auto loaded = config::load(path, started_as());
  if (!loaded.config) return show_findings(path, loaded.findings, format);
  try {
    if (!loaded.config->peerstage.daemon) {
      throw CatalogError("there is no catalog, because " + peers::printable(path) +
                         " has no <daemon> section in <peerstage>; the daemon keeps the catalog");
    }
    return act(Catalog(loaded.config->peerstage.daemon->catalog, Catalog::Access::read_only));
  } catch (const std::exception& error) {
    std::cerr << "peerstage " << command << ": " << error.what() << '\n';
    if (format == FindingsFormat::json) std::cout << error_document(error.what()) << std::flush;
    return ExitCode::error;
  }
}

}  // namespace peerstage::daemon
