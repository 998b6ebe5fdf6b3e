#include "daemon/log_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

[[noreturn]] void cannot_open(const std::string& path, int error_number) {
  throw LogError("cannot open the log " + peers::printable(path) + ": " + std::strerror(error_number) +
                 "; make it writable for this user or name another one with --logfile");
}

/// An unknown user or group, or one that we may not give the log to, is not worth an error: the log works
/// anyway.
void give_to(int descriptor, const LogOwner& owner) {
  const passwd* user = ::getpwnam(owner.user.c_str());
  const group* group_entry = ::getgrnam(owner.group.c_str());
  if (user == nullptr || group_entry == nullptr) return;
  [[maybe_unused]] const int result = ::fchown(descriptor, user->pw_uid, group_entry->gr_gid);
}

/// O_NONBLOCK: a log that is a FIFO without a reader is an error, and one with a slow reader loses lines.
constexpr int log_flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// A new log is nobody else's before it has its owner, and then gets exactly its mode, whatever the umask.
std::optional<peers::Descriptor> create(const std::string& path, const LogFile& file) {
  const int number = ::open(path.c_str(), log_flags | O_CREAT | O_EXCL, file.mode.bits & 0600U);
  if (number < 0 && errno == EEXIST) return std::nullopt;
  if (number < 0) cannot_open(path, errno);
  peers::Descriptor log(number);
  give_to(number, file.owner);
  if (::fchmod(number, file.mode.bits) != 0) cannot_open(path, errno);
  return log;
}

peers::Descriptor open_log(const std::string& path, const LogFile& file) {
  if (auto created = create(path, file)) return std::move(*created);
  const int number = ::open(path.c_str(), log_flags);
  if (number < 0) cannot_open(path, errno);
  return peers::Descriptor(number);
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// With the mode that the XDG Base Directory Specification asks for.
void make_directory(const std::string& path) {
  if (path.empty() || ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT) cannot_open(path, errno);
  make_directory(parent_of(path));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) cannot_open(path, errno);
}

std::string home_directory() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home;
  if (const passwd* user = ::getpwuid(::geteuid()); user != nullptr && user->pw_dir[0] == '/')
    return user->pw_dir;
  throw LogError(
      "cannot find a place for the log: this user has no home directory; name a file with --logfile");
}

}  // namespace

peers::Descriptor open_log_file(const LogFile& file) {
  if (file.path) return open_log(*file.path, file);
  const std::string path = default_log_path();
  make_directory(parent_of(path));
  return open_log(path, file);
}

std::string default_log_path() {
  if (::geteuid() == 0) return "/var/log/peerstage.log";
  const char* state = std::getenv("XDG_STATE_HOME");
  const bool usable = state != nullptr && *state == '/';  // the specification says to ignore relative ones
  return (usable ? std::string(state) : home_directory() + "/.local/state") + "/peerstage/peerstage.log";
}

}  // namespace peerstage::daemon
