#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "daemon/service/state.h"

namespace peerstage::daemon {

/// The document of `status --json` and of `GET /v1/status`, version 1, with a newline at its end.
std::string to_json(const ServiceState& state);

class BadStateDocument : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The way back, for the command that asked the daemon. Members that are not known are passed over; one that
/// is missing or of the wrong kind throws BadStateDocument, whose sentence names it, and nothing else does,
/// whatever the bytes. How large a document may be is for the caller to say.
ServiceState parse_state(std::string_view document);

}  // namespace peerstage::daemon
