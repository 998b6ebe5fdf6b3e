#include "daemon/actions/access.h"

#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

std::string reason(int error_number) {
  return std::generic_category().message(error_number);
}

/// Asks with the effective identity, as opening would; the kernel also says no for a file system that is
/// mounted read-only.
bool may(const std::string& path, int rights) {
  return ::faccessat(AT_FDCWD, path.c_str(), rights, AT_EACCESS) == 0;
}

std::optional<std::string> status_problem(const std::string& path, struct stat& status) {
  if (::stat(path.c_str(), &status) == 0) return std::nullopt;
  if (errno == ENOENT) return "does not exist";
  return "cannot be reached: " + reason(errno);
}

std::optional<std::string> executable_problem(const std::string& path) {
  struct stat status {};
  if (auto problem = status_problem(path, status)) return problem;
  if (!S_ISREG(status.st_mode)) return "is not a program";
  if (!may(path, X_OK)) return "cannot be run: " + reason(errno);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> directory_problem(const std::string& path, int rights) {
  struct stat status {};
  if (auto problem = status_problem(path, status)) return problem;
  if (!S_ISDIR(status.st_mode)) return "is not a directory";
  if ((rights & X_OK) != 0 && !may(path, X_OK)) return "cannot be entered: " + reason(errno);
  if ((rights & R_OK) != 0 && !may(path, R_OK)) return "cannot be listed: " + reason(errno);
  if ((rights & W_OK) != 0 && !may(path, W_OK)) return "cannot be written to: " + reason(errno);
  return std::nullopt;
}

std::optional<std::string> reading_problem(const std::string& path) {
  struct stat status {};
  if (auto problem = status_problem(path, status)) return problem;
  if (!may(path, R_OK)) return "cannot be read: " + reason(errno);
  return std::nullopt;
}

std::optional<std::string> program_problem(const std::string& program) {
  if (program.find('/') != std::string::npos) return executable_problem(program);
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "/bin:/usr/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (!executable_problem((directory.empty() ? "." : directory) + "/" + program)) return std::nullopt;
  }
  return "is no program of any directory in PATH";
}

}  // namespace peerstage::daemon
