#include "daemon/schedule/zone_file.h"

#include <fstream>

#include <boost/filesystem.hpp>

namespace peerstage::daemon {

std::string zone_file_content(const std::string& path) {
  constexpr std::size_t limit = 64U << 10U;  // the largest of the database has 4 KiB
  boost::system::error_code ignored;
  if (!boost::filesystem::is_regular_file(path, ignored)) return {};
  std::ifstream stream(path, std::ios::binary);
  std::string bytes(limit, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

std::optional<std::string> last_line_of_zone_file(std::string_view bytes) {
  if (!bytes.starts_with("TZif") || !bytes.ends_with('\n')) return std::nullopt;
  bytes.remove_suffix(1);
  const std::string_view line = bytes.substr(bytes.rfind('\n') + 1);
  return line.empty() ? std::nullopt : std::optional(std::string(line));
}

}  // namespace peerstage::daemon
