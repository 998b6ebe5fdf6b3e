#include <array>
#include <ctime>
#include <map>

#include <unistd.h>

#include "daemon/stage_run.h"

namespace peerstage::daemon {

std::string new_run_id(Timeline::Wall started) {
  static std::map<std::time_t, unsigned> runs_in_second;  // each, for the clock may be set back
  const std::time_t seconds = std::chrono::system_clock::to_time_t(started);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  const std::string id = std::string(text.data()) + "-" + std::to_string(::getpid());
  const unsigned number = ++runs_in_second[seconds];
  return number == 1 ? id : id + "." + std::to_string(number);
}

}  // namespace peerstage::daemon
