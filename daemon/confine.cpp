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
  rlimit descriptors{};
  require(::getrlimit(RLIMIT_NOFILE, &descriptors) == 0, "look at the limit of descriptors");
  descriptors.rlim_max = descriptors.rlim_cur;
  require(::setrlimit(RLIMIT_NOFILE, &descriptors) == 0, "limit the descriptors");
  // A sanitizer's shadow memory is larger than any limit: such a process goes without.
  if (address_space_in_use() > address_space) return;
  const rlimit space{address_space, address_space};
  require(::setrlimit(RLIMIT_AS, &space) == 0, "limit the address space");
}

std::uint32_t capability_bits(Reach reach) {
  if (reach == Reach::own_files) return 0;
  // Not FOWNER, although it reads without touching access times: it changes the mode of whatever can be read.
  constexpr std::uint32_t reading = 1U << CAP_DAC_READ_SEARCH;
  return reach == Reach::local_files ? reading | (1U << CAP_DAC_OVERRIDE) : reading;
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
  require(::prctl(PR_SET_KEEPCAPS, reach == Reach::own_files ? 0 : 1) == 0, "keep capabilities");
  require(::initgroups(user.name.c_str(), user.gid) == 0, "take the backup user's groups");
  require(::setresgid(user.gid, user.gid, user.gid) == 0, "become the backup group");
  require(::setresuid(user.uid, user.uid, user.uid) == 0, "become the backup user");
}

void die_with(pid_t supervisor) {
  require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "bind the worker's life to its parent's");
  if (::getppid() != supervisor) throw std::runtime_error("the supervisor is gone");
}

void enter_landlock(const Needs& needs) {
  Landlock landlock(needs.ports ? Landlock::Ports::ruled : Landlock::Ports::free);
  for (const auto& [directory, access] : needs.directories) landlock.allow(directory, access);
  for (const auto& [path, access] : needs.paths) landlock.allow(path, access);
  for (const std::uint16_t port : needs.ports.value_or(std::vector<std::uint16_t>()))
    landlock.allow_connecting_to(port);
  landlock.enforce();
}

void restrict_system_calls(const Confinement& confinement, long landlock) {
  SystemCallRules rules;
  rules.programs = confinement.programs;
  rules.network = confinement.network;
  rules.landlock_knows_truncating = landlock >= first_landlock_version_with_truncating;
  rules.supervisor = confinement.supervisor;
  filter_system_calls(rules);
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

Needs reading_everything() {
  Needs needs;
  needs.paths.emplace_back("/", FileAccess::read);
  needs.paths.emplace_back("/dev/null", FileAccess::append);
  return needs;
}

void confine(const Confinement& confinement) {
  limit_resources();
  if (confinement.user) become(*confinement.user, confinement.reach);
  keep_capabilities(capability_bits(confinement.reach) & permitted_capabilities(), confinement.programs);
  require(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "set no_new_privs");
  // After the change of identity, which clears it.
  if (confinement.supervisor != 0) die_with(confinement.supervisor);
  const long landlock = landlock_version();
  if (landlock >= usable_landlock_version) enter_landlock(confinement.needs ? confinement.needs() : Needs());
  if (has_system_call_filters()) restrict_system_calls(confinement, landlock);
}

std::string lacking_confinement() {
  std::string lacking;
  if (landlock_version() < usable_landlock_version) {
    lacking = "Landlock (version " + std::to_string(usable_landlock_version) +
              "), so that workers can read and write whatever their user can";
  }
  if (!has_system_call_filters()) {
    lacking += lacking.empty() ? "" : ", and no ";
    lacking += "system call filters (seccomp), so that workers can do to other processes what their user can";
  }
  if (lacking.empty()) return {};
  return "this kernel has no " + lacking + "; see \"What a worker may do\" in the documentation";
}

std::string get_ready_to_confine() {
  if (landlock_version() < usable_landlock_version)
    require(::prctl(PR_SET_DUMPABLE, 0) == 0, "close /proc of this process to its workers");
  return lacking_confinement();
}

}  // namespace peerstage::daemon
