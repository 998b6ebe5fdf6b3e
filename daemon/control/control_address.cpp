#include "daemon/control/control_address.h"

#include <iostream>

#include "config/config.h"
#include "config/load.h"
#include "daemon/report_json.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {

ControlPlace find_daemon(const ControlAddress& address) {
  if (address.socket) return {*address.socket, ""};
  const std::string path = address.config_path.value_or(config::default_path());
  const auto loaded = config::load(path, started_as());
  if (loaded.control_socket) return {*loaded.control_socket, ""};
  if (!loaded.config)
    return {config::Daemon().control_socket, "That is the default: the configuration " +
                                                 peers::printable(path) +
                                                 " cannot be used, and --socket says where else to ask"};
  return {config::Daemon().control_socket, ""};
}

void complain(const std::string& command, const ControlError& error, const ControlPlace& place,
              FindingsFormat format) {
  std::cerr << "peerstage " << command << ": " << error.what() << '\n';
  if (!place.doubt.empty()) std::cerr << place.doubt << ".\n";
  if (format == FindingsFormat::json) std::cout << error_document(error.what()) << std::flush;
}

}  // namespace peerstage::daemon
