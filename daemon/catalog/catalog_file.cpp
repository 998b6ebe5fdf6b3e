#include "daemon/catalog/catalog_file.h"

#include <cerrno>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/source_file.h"
#include "daemon/catalog/catalog.h"
#include "daemon/utc.h"
#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr mode_t file_mode = 0640;

std::string reason(int error_number) {
  return std::generic_category().message(error_number);
}

/// Absent: there is none.
std::optional<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  throw CatalogError("cannot look at the catalog " + peers::printable(path) + ": " + reason(errno));
}

void refuse_what_is_no_file(const std::string& path, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return;
  throw CatalogError("the catalog " + peers::printable(path) +
                     " is no regular file; name another place in <catalog>, or move it away");
}

void refuse_what_others_can_write(const std::string& path, const struct stat& status) {
  const bool ours = status.st_uid == ::geteuid() || status.st_uid == 0;
  if (ours && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  throw CatalogError("the catalog " + peers::printable(path) +
                     " can be changed by others; give it to the user of the daemon, with mode 0640");
}

/// What stands in the file steers a process with root's rights.
void refuse_what_others_can_replace(const std::string& path) {
  if (::geteuid() != 0) return;
  try {
    if (const auto fault = config::changeable_by_others(path)) {
      throw CatalogError("the catalog cannot be kept at " + peers::printable(path) + ": " +
                         peers::printable(*fault));
    }
  } catch (const config::SourceError& error) {
    throw CatalogError("the catalog cannot be kept at " + peers::printable(path) + ": " +
                       peers::printable(error.what()));
  }
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// False: there is one already.
bool create(const std::string& path) {
  const peers::Descriptor made(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file_mode));
  if (!made && errno == EEXIST) return false;
  // The mode whatever the umask is: SQLite gives the files beside it the same.
  if (!made || ::fchmod(made.get(), file_mode) != 0)
    throw CatalogError("cannot make the catalog " + peers::printable(path) + ": " + reason(errno));
  return true;
}

std::string free_name(const std::string& wanted) {
  std::string name = wanted;
  for (int number = 2; status_of(name); ++number) name = wanted + "." + std::to_string(number);
  return name;
}

}  // namespace

FileFound prepare_to_write(const std::string& path) {
  if (!status_of(path)) {
    refuse_what_others_can_replace(directory_of(path));
    if (create(path)) return FileFound::created;
  }
  if (const auto status = status_of(path)) {
    refuse_what_is_no_file(path, *status);
    refuse_what_others_can_write(path, *status);
    refuse_what_others_can_replace(path);
  }
  return FileFound::existing;
}

void prepare_to_read(const std::string& path) {
  const auto status = status_of(path);
  if (!status) {
    throw CatalogError("there is no catalog " + peers::printable(path) +
                       " yet; the daemon makes it when it starts");
  }
  refuse_what_is_no_file(path, *status);
}

std::string set_aside(const std::string& path, std::chrono::system_clock::time_point now) {
  std::string aside = free_name(path + ".damaged-" + compact_utc(now));
  for (const char* suffix : {"-wal", "-shm", ""}) {
    if (::rename((path + suffix).c_str(), (aside + suffix).c_str()) == 0 || errno == ENOENT) continue;
    throw CatalogError("cannot set the damaged catalog " + peers::printable(path) +
                       " aside: " + reason(errno));
  }
  return aside;
}

}  // namespace peerstage::daemon
