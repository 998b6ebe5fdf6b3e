#include "peers/descriptor.h"

#include <atomic>
#include <cerrno>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace peerstage::peers {
namespace {

/// As safe against exchanged names: each component is opened from the descriptor of the one before, is no
/// link, and none leads up. A directory that is moved away meanwhile is still the one that was found beneath.
Descriptor open_each_component(int directory, const std::string& relative, int flags, unsigned mode) {
  Descriptor current;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t slash = relative.find('/', begin);
    const std::string component = relative.substr(begin, slash - begin);
    if (component == "..") {
      errno = EXDEV;
      return {};
    }
    const int from = current ? current.get() : directory;
    if (slash == std::string::npos) {
      return open_at(from, component.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
    }
    Descriptor next = open_at(from, component.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (!next) return {};
    current = std::move(next);
    begin = slash + 1;
  }
}

}  // namespace

void Descriptor::reset(int number) {
  const int old = std::exchange(number_, number);
  if (old >= 0) ::close(old);
}

Descriptor open_at(int directory, const char* path, int flags, unsigned mode) {
  return Descriptor(uninterrupted([&] { return ::openat(directory, path, flags, mode); }));
}

bool sync_to_disk(int descriptor) {
  return uninterrupted([descriptor] { return ::fsync(descriptor); }) == 0;
}

Descriptor open_beneath(int directory, const std::string& relative, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<__u64>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  // Once it does not exist, it never will: a kernel stays as it is, and a filter of system calls cannot be
  // taken off.
  static std::atomic<bool> exists{true};
  if (!exists) return open_each_component(directory, relative, flags, mode);
  // EAGAIN: something was renamed during the walk, so that the kernel could not prove that we stayed beneath.
  // Bounded, because with O_NONBLOCK a file under somebody's lease says the same, for as long as he likes.
  for (int tries_left = 64; tries_left > 0; --tries_left) {
    const long result = ::syscall(SYS_openat2, directory, relative.c_str(), &how, sizeof how);
    if (result >= 0) return Descriptor(static_cast<int>(result));
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == ENOSYS) exists = false;
    // EPERM: a seccomp filter that does not know the call. A real EPERM comes back from the other way, too.
    if (errno == ENOSYS || errno == EPERM) return open_each_component(directory, relative, flags, mode);
    return {};
  }
  errno = EAGAIN;
  return {};
}

bool write_whole(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace peerstage::peers
