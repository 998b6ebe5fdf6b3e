#include "daemon/control/start_command.h"

#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "daemon/control/control_address.h"
#include "daemon/control/control_client.h"
#include "daemon/control/follow_run.h"
#include "daemon/control/run_ticket.h"
#include "daemon/service/page.h"

namespace peerstage::daemon {
namespace {

std::string body_of(const StartCommand& command) {
  nlohmann::ordered_json body;
  if (command.job) {
    body["job"] = *command.job;
  } else {
    body["peers"] = command.peers;
    body["full"] = command.full;
  }
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

ExitCode report(const StartCommand& command, const ControlPlace& place, const ControlAnswer& answer) {
  if (!answer.good()) {
    if (command.json) std::cout << answer.body << std::flush;
    std::cerr << "peerstage run: " << error_of(answer) << '\n';
    return ExitCode::error;
  }
  const std::string id = run_id_in(answer);
  if (command.follow) return follow_run(place, id, command.json ? FollowOutput::json : FollowOutput::text);
  if (command.json)
    std::cout << answer.body << std::flush;
  else
    std::cout << "The run " << shown(id) << " begins as soon as it may." << std::endl;
  return ExitCode::ok;
}

}  // namespace

ExitCode start_run(const StartCommand& command) {
  const ControlPlace place = find_daemon(command.address);
  try {
    return report(command, place, ControlClient(place.socket).post("/v1/runs", body_of(command)));
  } catch (const ControlError& error) {
    complain("run", error, place, command.json ? FindingsFormat::json : FindingsFormat::text);
  }
  return ExitCode::error;
}

}  // namespace peerstage::daemon
