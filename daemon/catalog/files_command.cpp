#include "daemon/catalog/files_command.h"

#include <iostream>

#include "daemon/catalog/open_catalog.h"
#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/text_table.h"
#include "daemon/utc.h"
#include "peers/staging/hash.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

std::string sum_of(const WorkFile& file) {
  return peers::staging::Digest{file.sha256}.hex();
}

std::optional<std::string> modified(const WorkFile& file) {
  if (file.source_mtime == 0) return std::nullopt;
  return utc(std::chrono::system_clock::from_time_t(file.source_mtime));
}

}  // namespace

std::string files_table(const std::vector<WorkFile>& files) {
  TextTable table({{"sha256", Align::left},
                   {"size", Align::right},
                   {"modified", Align::left},
                   {"fetched", Align::left},
                   {"name", Align::left}});
  std::uint64_t bytes = 0;
  for (const WorkFile& file : files) {
    bytes += file.size;
    table.add({sum_of(file), std::to_string(file.size), modified(file).value_or("-"),
               file.fetched_on.empty() ? "-" : file.fetched_on, peers::printable(file.name)});
  }
  return table.text() + "total: " + std::to_string(files.size()) + " files, " + readable_size(bytes) + " (" +
         std::to_string(bytes) + " bytes)\n";
}

std::string files_json(const std::string& peer, std::chrono::year_month_day date,
                       const std::vector<WorkFile>& files) {
  Json all = Json::array();
  for (const WorkFile& file : files) {
    const auto when = modified(file);
    all.push_back({{"name", peers::printable(file.name)},
                   {"size", file.size},
                   {"sha256", sum_of(file)},
                   {"mtime", when ? Json(*when) : Json(nullptr)},
                   {"fetched_on", file.fetched_on.empty() ? Json(nullptr) : Json(file.fetched_on)}});
  }
  return document_text({{"version", 1}, {"peer", peer}, {"date", iso_date(date)}, {"files", std::move(all)}});
}

ExitCode show_files(const FilesCommand& command) {
  const auto format = command.json ? FindingsFormat::json : FindingsFormat::text;
  return with_catalog("files", command.config_path, format, [&](const Catalog& catalog) {
    const auto files = catalog.files(command.peer, command.date);
    if (!files) {
      throw CatalogError("the catalog knows no files of the peer " + peers::printable(command.peer) + " on " +
                         iso_date(command.date));
    }
    std::cout << (command.json ? files_json(command.peer, command.date, *files) : files_table(*files))
              << std::flush;
    return ExitCode::ok;
  });
}

}  // namespace peerstage::daemon
