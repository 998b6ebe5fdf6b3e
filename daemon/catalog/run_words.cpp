#include "daemon/catalog/catalog.h"

// The words of catalog.h, apart from the catalog: the daemon's state has them, too.

namespace peerstage::daemon {

const char* to_string(RunTrigger trigger) {
  switch (trigger) {
    case RunTrigger::schedule:
      return "schedule";
    case RunTrigger::catch_up:
      return "catch_up";
    case RunTrigger::request:
      return "request";
    case RunTrigger::command_line:
      return "command_line";
    case RunTrigger::rebuilt:
      return "rebuilt";
  }
  return "command_line";
}

const char* to_string(RunInterruption::Cause cause) {
  return cause == RunInterruption::Cause::shutdown ? "shutdown" : "crash";
}

}  // namespace peerstage::daemon
