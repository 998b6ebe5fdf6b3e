#include "daemon/log_switches.h"

#include <charconv>
#include <string>
#include <string_view>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

LogOwner parse_owner(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    throw UsageError("--owner needs USER:GROUP, '" + peers::printable(text) + "' is not that");
  return {text.substr(0, colon), text.substr(colon + 1)};
}

config::FileMode parse_mode(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with("0o") || digits.starts_with("0O")) digits.remove_prefix(2);
  std::uint32_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 8);
  if (error != std::errc() || end != digits.data() + digits.size() || bits > 0777)
    throw UsageError("--mode needs octal permissions like 640, '" + peers::printable(text) + "' is not that");
  return {bits};
}

}  // namespace

LogFile log_file(const Arguments& arguments) {
  LogFile log;
  log.path = text_value(arguments, "logfile");
  log.owner = arguments.value("owner", parse_owner).value_or(log.owner);
  log.mode = arguments.value("mode", parse_mode).value_or(log.mode);
  if (arguments.has("debug")) log.threshold = peers::EventLevel::debug;
  return log;
}

Verbosity verbosity(const Arguments& arguments) {
  if (arguments.has("quiet")) return Verbosity::quiet;
  return arguments.has("verbose") ? Verbosity::verbose : Verbosity::errors;
}

}  // namespace peerstage::daemon
