#include "daemon/exec_command.h"

#include <iostream>

namespace peerstage::daemon {

ExitCode exec_command(const ExecCommand& /*command*/) {
  std::cerr << "peerstage: exec is not there yet\n";
  return ExitCode::error;
}

}  // namespace peerstage::daemon
