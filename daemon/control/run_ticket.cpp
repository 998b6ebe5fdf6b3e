#include "daemon/control/run_ticket.h"

#include <nlohmann/json.hpp>

namespace peerstage::daemon {

std::string run_id_in(const ControlAnswer& answer) try {
  return nlohmann::json::parse(answer.body).at("run").at("id").get<std::string>();
} catch (const nlohmann::json::exception&) {
  throw ControlError(ControlError::Kind::not_understood, "the answer of the daemon names no run");
}

}  // namespace peerstage::daemon
