#include "daemon/landlock.h"

#include <cerrno>
#include <climits>
#include <system_error>

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

// Newer than the headers of some systems that we are built on.
constexpr std::uint64_t truncating = 1ULL << 14U;       // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr std::uint64_t binding = 1U, connecting = 2U;  // LANDLOCK_ACCESS_NET_BIND_TCP, ..._CONNECT_TCP
constexpr std::uint64_t scopes = 3U;                    // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, ..._SIGNAL
constexpr int rule_about_port = 2;                      // LANDLOCK_RULE_NET_PORT
constexpr long first_version_with_network = 4, first_version_with_scopes = 6;

struct RulesetAttributes {
  std::uint64_t files, network, scoped;
};
struct PortAttributes {
  std::uint64_t access, port;
};

constexpr std::uint64_t listing = LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t reading = listing | LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t writing = reading | LANDLOCK_ACCESS_FS_WRITE_FILE;
// What was written only half is taken back.
constexpr std::uint64_t appending = writing | truncating;
constexpr std::uint64_t marking = writing | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
// No device, socket, FIFO or link is ever made.
constexpr std::uint64_t changing = marking | truncating | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                   LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t everything = changing | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr std::uint64_t of_files =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | truncating;

std::uint64_t bits(FileAccess access) {
  switch (access) {
    case FileAccess::list:
      return listing;
    case FileAccess::read:
      return reading;
    case FileAccess::run:
      return reading | LANDLOCK_ACCESS_FS_EXECUTE;
    case FileAccess::append:
      return appending;
    case FileAccess::mark:
      return marking;
    case FileAccess::change:
      return changing;
  }
  return 0;
}

void require(bool done, const std::string& what) {
  if (!done) throw std::system_error(errno, std::generic_category(), "cannot " + what);
}

std::string path_of(int place) {
  std::string path(PATH_MAX, '\0');
  std::string link = "/proc/self/fd/" + std::to_string(place);
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0) return link;
  path.resize(static_cast<std::size_t>(length));
  return path;
}

bool means_out_of_reach(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

/// As a directory first: only so something is mounted there that waits for somebody to ask.
peers::Descriptor open_place(const std::string& path) {
  peers::Descriptor place = peers::open_at(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!place && errno == ENOTDIR) place = peers::open_at(AT_FDCWD, path.c_str(), O_PATH | O_CLOEXEC);
  return place;
}

}  // namespace

long landlock_version() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? version : 0;
}

Landlock::Landlock(Ports ports) : version_(landlock_version()), handled_(everything) {
  if (version_ < first_landlock_version_with_truncating) handled_ &= ~truncating;
  RulesetAttributes attributes{handled_, 0, 0};
  if (version_ >= first_version_with_network && ports == Ports::ruled)
    attributes.network = binding | connecting;
  if (version_ >= first_version_with_scopes) attributes.scoped = scopes;
  // A kernel that is older than these attributes takes them as long as they are zero.
  ruleset_.reset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  require(static_cast<bool>(ruleset_), "create a Landlock ruleset");
}

void Landlock::add(int place, FileAccess access, const std::string& path) {
  struct stat status {};
  require(::fstat(place, &status) == 0, "look at " + peers::printable(path) + " for Landlock");
  std::uint64_t allowed = bits(access) & handled_;
  if (!S_ISDIR(status.st_mode)) allowed &= of_files;
  if (allowed == 0) return;
  const landlock_path_beneath_attr rule{allowed, place};
  require(::syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0,
          "name " + peers::printable(path) + " to Landlock");
}

void Landlock::allow(int place, FileAccess access) {
  add(place, access, path_of(place));
}

void Landlock::allow(const std::string& path, FileAccess access) {
  const peers::Descriptor place = open_place(path);
  if (!place && means_out_of_reach(errno)) return;
  require(static_cast<bool>(place), "open " + peers::printable(path) + " for Landlock");
  add(place.get(), access, path);
}

void Landlock::allow_connecting_to(std::uint16_t port) {
  if (version_ < first_version_with_network) return;
  const PortAttributes rule{connecting, port};
  require(::syscall(SYS_landlock_add_rule, ruleset_.get(), rule_about_port, &rule, 0) == 0,
          "name a port to Landlock");
}

void Landlock::enforce() {
  require(::syscall(SYS_landlock_restrict_self, ruleset_.get(), 0) == 0, "enter the Landlock ruleset");
}

}  // namespace peerstage::daemon
