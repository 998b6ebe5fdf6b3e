#include "tests/faults/counted_calls.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace peerstage::faults {
namespace {

constexpr unsigned on_disk = no_room | broken_disk | read_only;
constexpr Subject descriptor = Subject::descriptor, path_at = Subject::path_at, nothing = Subject::nothing;

constexpr auto table = std::to_array<CountedCall>({
    {"write", SYS_write, end | on_disk | interrupted | shortened, descriptor},
    {"pwrite64", SYS_pwrite64, end | on_disk | interrupted | shortened, descriptor},
    // Sockets are libssh's, which sends and receives only when it does not have to wait, and so is not
    // interrupted there.
    {"sendto", SYS_sendto, end | shortened, descriptor},
    {"fsync", SYS_fsync, end | on_disk | interrupted, descriptor},
    {"fdatasync", SYS_fdatasync, end | on_disk | interrupted, descriptor},
    {"syncfs", SYS_syncfs, end | on_disk | interrupted, descriptor},
    {"sync_file_range", SYS_sync_file_range, end | no_room | broken_disk | interrupted, descriptor},
    {"fallocate", SYS_fallocate, end | on_disk | interrupted, descriptor},
    {"ftruncate", SYS_ftruncate, end | broken_disk | read_only | interrupted, descriptor},
    {"close", SYS_close, end | broken_disk, descriptor},
    {"fchmod", SYS_fchmod, end | broken_disk | read_only, descriptor},
    {"fchown", SYS_fchown, end | broken_disk | read_only, descriptor},
    {"fsetxattr", SYS_fsetxattr, end | on_disk, descriptor},
    {"openat", SYS_openat, end | on_disk | no_descriptors | interrupted, path_at},
    {"openat2", SYS_openat2, end | on_disk | no_descriptors | interrupted, path_at},
    {"mkdirat", SYS_mkdirat, end | on_disk, path_at},
    {"unlinkat", SYS_unlinkat, end | broken_disk | read_only, path_at},
    {"linkat", SYS_linkat, end | on_disk, path_at},
    {"renameat2", SYS_renameat2, end | on_disk, path_at},
    {"read", SYS_read, broken_disk | interrupted, descriptor},
    {"pread64", SYS_pread64, broken_disk | interrupted, descriptor},
    {"getdents64", SYS_getdents64, broken_disk, descriptor},
    {"ppoll", SYS_ppoll, interrupted, nothing},
    {"epoll_pwait", SYS_epoll_pwait, interrupted, nothing},
    {"wait4", SYS_wait4, interrupted, nothing},
    {"waitid", SYS_waitid, interrupted, nothing},
    {"socket", SYS_socket, no_descriptors, nothing},
    {"socketpair", SYS_socketpair, no_descriptors, nothing},
    {"accept4", SYS_accept4, no_descriptors | interrupted, descriptor},
    {"pipe2", SYS_pipe2, no_descriptors, nothing},
    {"dup", SYS_dup, no_descriptors, descriptor},
    {"fcntl", SYS_fcntl, no_descriptors, descriptor},
    {"epoll_create1", SYS_epoll_create1, no_descriptors, nothing},
    {"eventfd2", SYS_eventfd2, no_descriptors, nothing},
    {"timerfd_create", SYS_timerfd_create, no_descriptors, nothing},
    {"signalfd4", SYS_signalfd4, no_descriptors, nothing},
    {"memfd_create", SYS_memfd_create, no_descriptors, nothing},
    {"pidfd_open", SYS_pidfd_open, no_descriptors, nothing},
    {"landlock_create_ruleset", SYS_landlock_create_ruleset, no_descriptors, nothing},
#ifdef SYS_poll  // newer machines have no such calls
    {"poll", SYS_poll, interrupted, nothing},
    {"epoll_wait", SYS_epoll_wait, interrupted, nothing},
#endif
});

/// Copies from the memory of the thread; how much could be had.
std::size_t copy_from(pid_t thread, std::uint64_t address, void* to, std::size_t size) {
  const iovec ours{to, size};
  const iovec theirs{reinterpret_cast<void*>(address), size};
  return static_cast<std::size_t>(std::max<ssize_t>(0, ::process_vm_readv(thread, &ours, 1, &theirs, 1, 0)));
}

std::string descriptor_link(pid_t thread, std::uint64_t number) {
  const auto as_int = static_cast<int>(number);
  const std::string base = "/proc/" + std::to_string(thread);
  return as_int == AT_FDCWD ? base + "/cwd" : base + "/fd/" + std::to_string(as_int);
}

std::string target_of(const std::string& link) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : "?";
}

std::string text_at(pid_t thread, std::uint64_t address) {
  // Up to the end of the page, since the next one need not be there.
  constexpr std::uint64_t page = 4096;
  std::array<char, page> text{};
  const std::size_t size = copy_from(thread, address, text.data(), page - address % page);
  return {text.data(), std::find(text.data(), text.data() + size, '\0')};
}

/// The standard streams are not: what is told goes somewhere else than to the disk that fails.
bool is_on_disk(const Entered& entered) {
  struct stat info {};
  if (entered.arguments[0] <= STDERR_FILENO) return false;
  const std::string link = descriptor_link(entered.thread, entered.arguments[0]);
  return ::stat(link.c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

bool opens(const Entered& entered) {
  return entered.call->number == SYS_openat || entered.call->number == SYS_openat2;
}

std::uint64_t open_flags(const Entered& entered) {
  if (entered.call->number == SYS_openat) return entered.arguments[2];
  open_how how{};
  copy_from(entered.thread, entered.arguments[2], &how, sizeof how);
  return how.flags;
}

bool creates(const Entered& entered) {
  return (open_flags(entered) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0;
}

bool opens_for_writing(const Entered& entered) {
  return creates(entered) || (open_flags(entered) & O_ACCMODE) != O_RDONLY;
}

bool is_blocking(const Entered& entered) {
  const std::string number = std::to_string(static_cast<int>(entered.arguments[0]));
  std::ifstream info("/proc/" + std::to_string(entered.thread) + "/fdinfo/" + number);
  for (std::string field; info >> field;) {
    unsigned flags = 0;
    if (field == "flags:" && info >> std::oct >> flags) return (flags & O_NONBLOCK) == 0;
  }
  return false;
}

/// What may be waited for can be interrupted. The kernel's own files never let anybody wait.
bool may_wait(const Entered& entered) {
  if (entered.call->subject == descriptor) return is_blocking(entered);
  const std::string subject = subject_of(entered);
  return !subject.starts_with("/proc/") && !subject.starts_with("/dev/") && !subject.starts_with("/sys/");
}

bool duplicates(const Entered& entered) {
  const auto command = static_cast<int>(entered.arguments[1]);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC;
}

}  // namespace

std::vector<const CountedCall*> calls_with(Kind kind) {
  std::vector<const CountedCall*> found;
  for (const CountedCall& call : table) {
    if ((call.kinds & kind) != 0) found.push_back(&call);
  }
  return found;
}

const CountedCall* find_call(long number) {
  const auto* const found = std::ranges::find(table, number, &CountedCall::number);
  return found == table.end() ? nullptr : &*found;
}

bool can_meet(Kind kind, const Entered& entered) {
  switch (kind) {
    case no_room:
      return opens(entered) ? creates(entered) : entered.call->subject == path_at || is_on_disk(entered);
    case read_only:
      return opens(entered) ? opens_for_writing(entered)
                            : entered.call->subject == path_at || is_on_disk(entered);
    case broken_disk:
      return entered.call->subject == path_at || is_on_disk(entered);
    case no_descriptors:
      return entered.call->number != SYS_fcntl || duplicates(entered);
    case shortened:
      return entered.arguments[2] > 1;
    case end:
      if (opens(entered)) return opens_for_writing(entered);
      return entered.call->number != SYS_close || is_on_disk(entered);
    case interrupted:
      return may_wait(entered);
  }
  return false;
}

std::string subject_of(const Entered& entered) {
  if (entered.call->subject == nothing) return "";
  std::string place = target_of(descriptor_link(entered.thread, entered.arguments[0]));
  if (entered.call->subject == descriptor) return place;
  const std::string path = text_at(entered.thread, entered.arguments[1]);
  return path.starts_with('/') ? path : place + "/" + path;
}

}  // namespace peerstage::faults
