#include "daemon/confine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {
namespace {

// Ten times what a worker needs. A library that goes wild meets it long before the machine suffers.
constexpr std::uint64_t address_space = 2ULL << 30U;

void require(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), std::string("cannot ") + what);
}

/// A range of addresses.
struct Mapping {
  std::uintptr_t begin = 0, end = 0;
};

/// What this process could change for others (proc_pid_maps(5)).
std::vector<Mapping> shared_and_writable() {
  std::vector<Mapping> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Mapping mapping;
    char dash = 0;
    std::string rights;
    fields >> std::hex >> mapping.begin >> dash >> mapping.end >> rights;
    if (fields && rights.size() == 4 && rights[1] == 'w' && rights[3] == 's') found.push_back(mapping);
  }
  return found;
}

void unmap_what_is_shared() {
  for (const Mapping& mapping : shared_and_writable()) {
    // The system call takes addresses as numbers, and that is what /proc has.
    require(::syscall(SYS_munmap, mapping.begin, mapping.end - mapping.begin) == 0,
            "unmap what is the supervisor's");
  }
}

std::uint64_t address_space_in_use() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void limit_resources() {
  const rlimit no_core{0, 0};
  require(::setrlimit(RLIMIT_CORE, &no_core) == 0, "forbid core files");
  // A sanitizer's shadow memory is larger than any limit: such a process goes without.
  if (address_space_in_use() > address_space) return;
  const rlimit space{address_space, address_space};
  require(::setrlimit(RLIMIT_AS, &space) == 0, "limit the address space");
}

std::uint32_t capability_bits(Reach reach) {
  if (reach == Reach::own_files) return 0;
  // DAC_READ_SEARCH reads the collect directory, DAC_OVERRIDE writes the marker into it, FOWNER reads without
  // touching access times.
  return (1U << CAP_DAC_READ_SEARCH) | (1U << CAP_DAC_OVERRIDE) | (1U << CAP_FOWNER);
}

/// `bits` must be among those that are permitted.
void keep_capabilities(std::uint32_t bits, Programs programs) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = data[0].inheritable = bits;
  require(::syscall(SYS_capset, &header, data.data()) == 0, "reduce the capabilities");
  require(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, "pass no capability on");
  constexpr std::uint32_t reading = 1U << CAP_DAC_READ_SEARCH;
  if ((bits & reading) == 0 || programs == Programs::forbidden) return;
  // So that sha256sum can read what we can.
  require(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) == 0,
          "pass a capability on");
}

/// A service that is not root's may have been given capabilities (AmbientCapabilities= of systemd.exec(5)).
std::uint32_t permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  require(::syscall(SYS_capget, &header, data.data()) == 0, "look at the capabilities");
  return data[0].permitted;
}

void become(const User& user, Reach reach) {
  require(::prctl(PR_SET_KEEPCAPS, reach == Reach::local_files ? 1 : 0) == 0, "keep capabilities");
  require(::initgroups(user.name.c_str(), user.gid) == 0, "take the backup user's groups");
  require(::setresgid(user.gid, user.gid, user.gid) == 0, "become the backup group");
  require(::setresuid(user.uid, user.uid, user.uid) == 0, "become the backup user");
}

/// Newer than the headers of some systems that we are built on.
constexpr std::uint64_t truncating = 1ULL << 14U;  // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr long first_version_with_truncating = 3;

constexpr std::uint64_t all_writing =
    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

void allow_writing(int ruleset, int place, std::uint64_t access) {
  const landlock_path_beneath_attr rule{access, place};
  require(::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0,
          "name a writable directory to Landlock");
}

std::string restrict_file_system(const Confinement& confinement) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, LANDLOCK_CREATE_RULESET_VERSION);
  // Version 1 forbids every rename between directories, which is what publishing is made of.
  if (version < 2)
    return "this kernel has no Landlock (version 2): workers are confined by their user id alone";

  const std::uint64_t writing = all_writing | (version >= first_version_with_truncating ? truncating : 0);
  landlock_ruleset_attr attributes{};
  attributes.handled_access_fs = writing;
  if (confinement.programs == Programs::forbidden) attributes.handled_access_fs |= LANDLOCK_ACCESS_FS_EXECUTE;
  const peers::Descriptor ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  require(static_cast<bool>(ruleset), "create a Landlock ruleset");
  for (const int directory : confinement.writable) allow_writing(ruleset.get(), directory, writing);
  const peers::Descriptor nothing(::open("/dev/null", O_PATH | O_CLOEXEC));
  if (nothing) allow_writing(ruleset.get(), nothing.get(), LANDLOCK_ACCESS_FS_WRITE_FILE);
  require(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0, "enter the Landlock ruleset");
  return {};
}

}  // namespace

void keep_only(std::vector<int> descriptors) {
  ::setsid();  // fails for the leader of a group only, which a forked child is not
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  require(nothing >= 0, "open /dev/null");
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO}) ::dup2(nothing, stream);
  if (::isatty(STDERR_FILENO) != 0) ::dup2(nothing, STDERR_FILENO);
  std::ranges::sort(descriptors);
  unsigned next = STDERR_FILENO + 1;
  for (const int kept : descriptors) {
    if (kept < static_cast<int>(next)) continue;
    const auto number = static_cast<unsigned>(kept);
    if (number > next) require(::close_range(next, number - 1, 0) == 0, "close what is the supervisor's");
    next = number + 1;
  }
  require(::close_range(next, ~0U, 0) == 0, "close what is the supervisor's");
  unmap_what_is_shared();
}

std::string confine(const Confinement& confinement) {
  limit_resources();
  if (confinement.user) become(*confinement.user, confinement.reach);
  keep_capabilities(capability_bits(confinement.reach) & permitted_capabilities(), confinement.programs);
  require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "set no_new_privs");
  std::string lacking = restrict_file_system(confinement);
  // After the change of identity, which clears it.
  require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "bind the worker's life to its parent's");
  if (::getppid() != confinement.supervisor) throw std::runtime_error("the supervisor is gone");
  return lacking;
}

}  // namespace peerstage::daemon
