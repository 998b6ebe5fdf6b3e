#pragma once

#include <string>

#include "daemon/control/access.h"
#include "daemon/control/controllable.h"

namespace peerstage::daemon {

/// A request, whole, from somebody of whom nothing is known but the access that he has.
struct ApiRequest {
  std::string method;
  std::string target;
  std::string body;
  Access access = Access::none;
};

struct ApiAnswer {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string allow;     ///< what may be done there, of a 405
  std::string location;  ///< of what was begun
  std::string body;
};

/// {"error": "..."}
ApiAnswer error_answer(unsigned status, const std::string& sentence);

/// A request that only looks. What may be large is among the answers to these.
bool only_looks(const std::string& method);

/// What docs/control-api.md says, from a request to its answer. Nothing of the request gets anywhere but as a
/// name that the daemon looks up. Does not throw for anything that was sent, nor for what goes wrong in the
/// daemon (500). The answer to HEAD is that to GET.
ApiAnswer respond(const ApiRequest& request, Controllable& daemon);

}  // namespace peerstage::daemon
