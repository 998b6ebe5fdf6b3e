#pragma once

#include <chrono>
#include <string>

/// The file of the catalog, before and after a database works in it. Everything throws CatalogError.
namespace peerstage::daemon {

enum class FileFound { existing, created };

/// Makes it, empty and with mode 0640, when it is missing. Refuses a link, what is no regular file, and one
/// that others than its owner can change: started as root also one that others can put in its place.
///
/// An existing file is never opened here, because closing it would end the locks that another connection of
/// this process holds (fcntl(2); https://www.sqlite.org/howtocorrupt.html, 2.2).
FileFound prepare_to_write(const std::string& path);

/// The same for reading: it has to exist and to be a regular file.
void prepare_to_read(const std::string& path);

/// Renames it to PATH.damaged-TIME, with the files that SQLite keeps beside it. Returns the new name.
std::string set_aside(const std::string& path, std::chrono::system_clock::time_point now);

}  // namespace peerstage::daemon
