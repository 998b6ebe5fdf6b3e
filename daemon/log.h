#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/log_fields.h"
#include "daemon/log_file.h"
#include "daemon/screen.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// How much a person wants to see on the screen.
enum class Verbosity { errors, verbose, quiet };

/// The one place that writes log lines, to a file and, from `screen_threshold` on, bare to the screen.
/// Whatever a text contains, it becomes one line of valid UTF-8 without control characters.
///
/// Where the standard error output is the journal's, each line of the file goes there as well, with its
/// fields. A screen that is the journal's, too, gets nothing then: everything would stand there twice.
///
/// Writing neither throws nor waits: what a full disk, a closed pipe or a journald that hangs does not take
/// is lost. The first loss in the file is told on the screen, the number of lines that the journal lacks is
/// told there. Not for several threads.
class Log {
 public:
  /// Opens or makes the file. Throws LogError. `screen` must outlive the log; without a threshold nothing
  /// goes there.
  Log(const LogFile& file, Screen& screen, std::optional<peers::EventLevel> screen_threshold);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(peers::EventLevel level, std::string_view text, const LogFields& fields = {}) noexcept;
  void debug(std::string_view text) noexcept { write(peers::EventLevel::debug, text); }
  void info(std::string_view text) noexcept { write(peers::EventLevel::info, text); }
  void warning(std::string_view text) noexcept { write(peers::EventLevel::warning, text); }
  void error(std::string_view text) noexcept { write(peers::EventLevel::error, text); }

 private:
  class Sinks;
  std::unique_ptr<Sinks> sinks_;
};

/// What reaches the screen: errors, with `-b` everything that reaches a log of this threshold, with `-q`
/// nothing.
std::optional<peers::EventLevel> screen_threshold(Verbosity verbosity, peers::EventLevel log_threshold);

/// `YYYY-MM-DDTHH:MM:SS TZNAME --> [LEVEL  ] text` in local time, without a newline.
std::string log_line(std::chrono::system_clock::time_point when, peers::EventLevel level,
                     std::string_view text);

}  // namespace peerstage::daemon
