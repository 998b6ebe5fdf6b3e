#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "config/units.h"
#include "peers/descriptor.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Who a new log belongs to.
struct LogOwner {
  std::string user = "root";
  std::string group = "adm";
  bool operator==(const LogOwner&) const = default;
};

/// Which log is written, and how it is made when it does not exist yet. An existing one is appended to, and
/// keeps its owner and mode.
struct LogFile {
  std::optional<std::string> path;  ///< absent: default_log_path(), whose directories are made
  LogOwner owner;
  config::FileMode mode{0640};
  peers::EventLevel threshold = peers::EventLevel::info;
};

/// The log could not be opened; the message is a sentence for the user.
class LogError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Opens the file for appending, or makes it. Throws LogError.
peers::Descriptor open_log_file(const LogFile& file);

/// The log of this user: /var/log/peerstage.log for root, else below $XDG_STATE_HOME (XDG Base Directory
/// Specification). Throws LogError if the user has no home directory.
std::string default_log_path();

}  // namespace peerstage::daemon
