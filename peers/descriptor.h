#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace peerstage::peers {

/// Owns a file descriptor; -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  /// Closes what it holds without looking at the result: where closing can fail, call close(2) yourself.
  void reset(int number = -1);

 private:
  int number_ = -1;
};

/// Makes a system call, and makes it again for as long as a signal interrupts it.
template <typename Call>
auto uninterrupted(const Call& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// openat(2), not to be interrupted. None, with errno set, when it cannot.
Descriptor open_at(int directory, const char* path, int flags, unsigned mode = 0);

/// fsync(2), not to be interrupted: what it was waiting for is on its way all the same, and no error was told
/// yet. False, with errno set, when it cannot.
bool sync_to_disk(int descriptor);

/// Opens a path below a directory, like openat(2), but never leaves the directory and follows no symbolic
/// link in any component (openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; component by component
/// where the kernel lacks it). `relative` has no leading slash and no "..". None, with errno set, when it
/// cannot. Always close-on-exec.
Descriptor open_beneath(int directory, const std::string& relative, int flags, unsigned mode = 0);

/// Writes all of it at the current position. False, with errno set, when it cannot.
bool write_whole(int descriptor, std::span<const std::byte> bytes);

}  // namespace peerstage::peers
