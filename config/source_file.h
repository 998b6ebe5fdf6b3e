#pragma once

#include <optional>
#include <stdexcept>
#include <string>

/// The file that a configuration is read from.
namespace peerstage::config {

/// The message says which file, why and what to do.
class SourceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// All bytes of a regular file of at most 1 MiB, read once. Never waits for a FIFO or a device. Throws
/// SourceError.
std::string read_source(const std::string& path);

/// Who besides root could write the file, or put another in its place: one sentence, or nothing if nobody
/// can. Looks at the file, at every directory on the way to it, and behind symlinks; directories with the
/// sticky bit are fine as long as what is taken from them belongs to root. Throws SourceError when something
/// on the way cannot be looked at.
std::optional<std::string> changeable_by_others(const std::string& path);

}  // namespace peerstage::config
