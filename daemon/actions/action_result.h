#pragma once

#include <string>

#include "config/config.h"
#include "daemon/command_line.h"
#include "daemon/exit_code.h"
#include "daemon/log.h"
#include "daemon/screen.h"

/// What an action of the command line is given and gives back. Each action is one function of the form
/// `ActionResult NAME_action(const ActionContext&)`, which blocks, logs what happens and does not throw.
///
/// SIGINT, SIGTERM and SIGHUP are held back while it is called (daemon/termination.h): an action looks from
/// time to time whether termination_is_waiting(), or listens where it waits, and then ends as `interrupted`.
/// It leaves the signal waiting: so no later action begins, also where it came too late for this one.
namespace peerstage::daemon {

struct ActionContext {
  const config::Config& config;
  const RunCommand& command;  ///< switches; the action's own word is not looked for here
  Log& log;
  Screen& screen;
};

struct ActionResult {
  ExitCode code = ExitCode::ok;
  std::string json;   ///< one JSON document, with a newline at its end
  std::string table;  ///< for people; every line ends with a newline
};

}  // namespace peerstage::daemon
