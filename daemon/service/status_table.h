#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "daemon/service/page.h"
#include "daemon/service/state.h"

namespace peerstage::daemon {

/// How `status` is to look.
struct StatusView {
  std::vector<std::string> peers;  ///< only these; empty: all
  Colour colour = Colour::off;
  std::optional<std::size_t> columns;  ///< of the terminal; absent: nothing is broken or cut
};

/// What `peerstage status` prints: how the daemon is, the run that is going on, what is queued, the jobs with
/// their next run, and the peers, the worst first, each that is not good with its reason. Times are local.
/// Every line ends with a newline. Whatever stands in the state, it is safe to print.
std::string status_table(const ServiceState& state, const StatusView& view);

}  // namespace peerstage::daemon
