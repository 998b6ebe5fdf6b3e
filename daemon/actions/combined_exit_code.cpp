#include "daemon/actions/combined_exit_code.h"

namespace peerstage::daemon {
namespace {

int weight(ExitCode code) {
  switch (code) {
    case ExitCode::ok:
      return 0;
    case ExitCode::not_ready:
      return 1;
    case ExitCode::peer_failed:
      return 2;
    case ExitCode::interrupted:
      return 4;
    default:
      return 3;
  }
}

}  // namespace

bool lets_others_go_on(ExitCode code) {
  return weight(code) <= weight(ExitCode::peer_failed);
}

ExitCode worse(ExitCode one, ExitCode other) {
  return weight(other) > weight(one) ? other : one;
}

}  // namespace peerstage::daemon
