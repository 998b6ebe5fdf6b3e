#include <cstdlib>
#include <date/tz.h>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <vector>

#include <boost/filesystem.hpp>

#include "daemon/schedule/zone.h"
#include "daemon/schedule/zone_file.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace fs = boost::filesystem;

MachineZone utc_because(const std::string& fault) {
  return {Zone(), fault + ", so that times are taken as UTC"};
}

/// The name of a file within the database, whether it is there or not.
std::optional<std::string> name_in_database(const fs::path& file) {
  const std::string prefix = zone_database + "/";
  const std::string path = file.lexically_normal().string();
  if (!path.starts_with(prefix)) return std::nullopt;
  return path.substr(prefix.size());
}

std::optional<Zone> zone_named(const std::string& name) {
  try {
    return Zone::named(name);
  } catch (const std::runtime_error&) {
    return name == "UTC" || name == "Etc/UTC" ? std::optional(Zone()) : std::nullopt;
  }
}

std::optional<Zone> zone_described(const std::string& text) {
  try {
    return Zone::described(text);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  try {
    for (const date::time_zone& zone : date::get_tzdb().zones) names.push_back(zone.name());
  } catch (const std::runtime_error&) {  // there is no database
  }
  return names;
}

/// A copy of a file of the database: the zone is the one with the same content. Where several have it, the
/// likely one is meant.
std::optional<Zone> zone_with_content(const std::string& bytes, const std::string& likely_name) {
  std::vector<std::string> names = all_names();
  names.insert(names.begin(), likely_name);
  for (const std::string& name : names) {
    const std::string file = zone_database + "/" + name;
    boost::system::error_code error;
    const bool is_alike = fs::file_size(file, error) == bytes.size() && !error;
    if (is_alike && zone_file_content(file) == bytes) return zone_named(name);
  }
  return std::nullopt;
}

std::string first_line(const std::string& path) {
  std::string line;
  std::ifstream stream(path);
  std::getline(stream, line);
  return line;
}

MachineZone zone_of_file(const std::string& path, const std::string& likely_name) {
  if (const auto name = name_in_database(path))
    if (const auto zone = zone_named(*name)) return {*zone, {}};
  boost::system::error_code error;
  const fs::path file = fs::canonical(path, error);
  if (error) return utc_because("The zone file " + peers::printable(path) + ": " + error.message());
  if (const auto name = name_in_database(file))
    if (const auto zone = zone_named(*name)) return {*zone, {}};
  const std::string bytes = zone_file_content(file.string());
  if (const auto zone = zone_with_content(bytes, likely_name)) return {*zone, {}};
  if (const auto line = last_line_of_zone_file(bytes))
    if (const auto zone = zone_described(*line)) return {*zone, {}};
  return utc_because("The zone file " + peers::printable(path) + " cannot be understood");
}

MachineZone zone_of_variable(std::string text, const std::string& likely_name) {
  if (text.starts_with(':')) text.erase(0, 1);
  if (text.empty()) return {};
  if (text.starts_with('/')) return zone_of_file(text, likely_name);
  if (const auto zone = zone_named(text)) return {*zone, {}};
  if (const auto zone = zone_described(text)) return {*zone, {}};
  return utc_because("The variable TZ holds " + peers::printable(text, 80) +
                     ", which is neither a zone below " + zone_database + " nor described as in tzset(3)");
}

/// A link that leads into the database has the name even where nothing is there any more.
std::optional<std::string> name_linked_to(const std::string& path) {
  boost::system::error_code ignored;
  const fs::path target = fs::read_symlink(path, ignored);
  return target.empty() ? std::nullopt : name_in_database(fs::absolute(target, fs::path(path).parent_path()));
}

MachineZone zone_of_link(const std::string& path, const std::string& likely_name) {
  boost::system::error_code error;
  if (fs::symlink_status(path, error).type() == fs::file_not_found) return {};  // localtime(5): UTC
  if (const auto name = name_linked_to(path)) {
    if (const auto zone = zone_named(*name)) return {*zone, {}};
    return utc_because(path + " is a link to the zone " + peers::printable(*name) + ", which is not below " +
                       zone_database + " (is the package tzdata installed?)");
  }
  return zone_of_file(path, likely_name);
}

}  // namespace

MachineZone machine_zone(const ZoneSources& sources) {
  try {
    const std::string likely_name = first_line(sources.timezone);
    return sources.tz != nullptr ? zone_of_variable(sources.tz, likely_name)
                                 : zone_of_link(sources.localtime, likely_name);
  } catch (const std::exception& error) {
    return utc_because(std::string("The zone of this machine cannot be found: ") + error.what());
  }
}

MachineZone machine_zone() {
  return machine_zone(ZoneSources{std::getenv("TZ")});
}

}  // namespace peerstage::daemon
