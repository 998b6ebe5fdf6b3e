#include <ctime>
#include <map>

#include <unistd.h>

#include "daemon/stage_run.h"
#include "daemon/utc.h"

namespace peerstage::daemon {

std::string new_run_id(Timeline::Wall started) {
  static std::map<std::time_t, unsigned> runs_in_second;  // each, for the clock may be set back
  const std::time_t seconds = std::chrono::system_clock::to_time_t(started);
  const std::string id = compact_utc(started) + "-" + std::to_string(::getpid());
  const unsigned number = ++runs_in_second[seconds];
  return number == 1 ? id : id + "." + std::to_string(number);
}

}  // namespace peerstage::daemon
