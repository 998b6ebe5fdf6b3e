#pragma once

#include <string_view>

#include "tests/faults/counted_calls.h"

namespace peerstage::faults {

enum class Action {
  nothing,          ///< only counting
  kill_process,     ///< SIGKILL for the process that is about to make the call
  kill_everything,  ///< for all processes of the command
  stop_everything,  ///< none of them takes another step
  fail,             ///< the call is not made, and says why
  shorten           ///< half of the bytes are written
};

enum class Times { once, from_then_on };

struct Fault {
  Action action;
  Kind kind;
  int error;  ///< errno, of a call that fails
  Times times;
};

/// `count`, `kill`, `kill-all`, `stop`, `short` or the name of an errno; the last two with a "+" for all
/// calls from then on. Throws std::invalid_argument.
Fault parse_fault(std::string_view text);

}  // namespace peerstage::faults
