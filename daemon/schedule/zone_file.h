#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The files of the zone database, RFC 9636. What stands in their tables is read by the date library.
namespace peerstage::daemon {

/// Where Debian has the database.
inline const std::string zone_database = "/usr/share/zoneinfo";

/// The bytes of a regular file, of a large one the beginning; nothing where there is none.
std::string zone_file_content(const std::string& path);

/// The last line, which says as in tzset(3) how it goes on behind the table; absent: there is none.
std::optional<std::string> last_line_of_zone_file(std::string_view bytes);

}  // namespace peerstage::daemon
