#include "peers/failure.h"

#include <cerrno>
#include <system_error>

namespace peerstage::peers {

const char* to_string(FailureKind kind) {
  switch (kind) {
    case FailureKind::not_ready:
      return "not_ready";
    case FailureKind::transient:
      return "transient";
    case FailureKind::permanent:
      return "permanent";
    case FailureKind::hostile:
      return "hostile";
    case FailureKind::cancelled:
      return "cancelled";
  }
  return "permanent";
}

PeerError system_error(const std::string& tried, int error_number) {
  const bool passes = error_number == EMFILE || error_number == ENFILE || error_number == EAGAIN ||
                      error_number == ENOMEM || error_number == ESTALE;
  return {passes ? FailureKind::transient : FailureKind::permanent,
          tried + ": " + std::generic_category().message(error_number)};
}

}  // namespace peerstage::peers
