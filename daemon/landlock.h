#pragma once

#include <cstdint>
#include <string>

#include "peers/descriptor.h"

/// Landlock(7): what a process may reach of the file system, and a little more, whoever it is.
namespace peerstage::daemon {

/// What may be done with a file, or at a directory and with all that is below it.
enum class FileAccess {
  list,    ///< see what is there
  read,    ///< that, and read it
  run,     ///< that, and execute it
  append,  ///< read and write files that are there, and cut them
  mark,    ///< read and write files, make new ones, and remove them
  change   ///< everything
};

/// The version that this kernel has; 0: none.
long landlock_version();

/// The first one that we can use: 1 forbids every rename between directories, which is what publishing is
/// made of.
inline constexpr long usable_landlock_version = 2;
/// From which on cutting a file is writing. Before, it has to be forbidden in another way.
inline constexpr long first_landlock_version_with_truncating = 3;

/// What is not allowed here is forbidden from enforce() on, for good, as far as this kernel's version goes:
/// to read and write files, to execute if that was asked for, to connect and bind over TCP (version 4), to
/// send signals to processes and to connect to abstract sockets outside (version 6). Failures are
/// std::system_error.
class Landlock {
 public:
  enum class Ports { ruled, free };

  /// Only where the version is usable.
  explicit Landlock(Ports ports);
  void allow(int place, FileAccess access);
  /// What does not exist, or cannot be reached anyway, is passed over. What is mounted when somebody asks for
  /// it (autofs(5)) is mounted now.
  void allow(const std::string& path, FileAccess access);
  void allow_connecting_to(std::uint16_t port);
  /// To this process, which has no_new_privs, and whatever it starts.
  void enforce();

 private:
  /// The path is for the error.
  void add(int place, FileAccess access, const std::string& path);

  long version_;
  std::uint64_t handled_ = 0;
  peers::Descriptor ruleset_;
};

}  // namespace peerstage::daemon
