#include "daemon/control/cancel_command.h"

#include <iostream>
#include <string>

#include "daemon/control/control_address.h"
#include "daemon/control/control_client.h"
#include "daemon/control/request_target.h"
#include "daemon/control/run_ticket.h"
#include "daemon/service/page.h"

namespace peerstage::daemon {
namespace {

ExitCode report(const CancelCommand& command, const ControlAnswer& answer) {
  if (command.json) std::cout << answer.body << std::flush;
  if (!answer.good()) {
    std::cerr << "peerstage cancel: " << error_of(answer) << '\n';
    return ExitCode::error;
  }
  if (!command.json)
    std::cout << "The run " << shown(run_id_in(answer)) << " is being ended; what was published stays."
              << std::endl;
  return ExitCode::ok;
}

}  // namespace

ExitCode cancel_run(const CancelCommand& command) {
  const ControlPlace place = find_daemon(command.address);
  const std::string target =
      command.run.empty() ? "/v1/cancel" : "/v1/runs/" + percent_encoded(command.run) + "/cancel";
  try {
    return report(command, ControlClient(place.socket).post(target));
  } catch (const ControlError& error) {
    complain("cancel", error, place, command.json ? FindingsFormat::json : FindingsFormat::text);
  }
  return ExitCode::error;
}

}  // namespace peerstage::daemon
