#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/report.h"

namespace peerstage::daemon {

/// An action of this machine's own that is going on. Letting go of it ends it.
class LocalAction {
 public:
  virtual ~LocalAction() = default;
};

/// Begins one. `done` is told from the loop, once, and not from within; the action may be let go of only
/// afterwards.
using BeginLocalAction = std::function<std::unique_ptr<LocalAction>(
    const std::string& action, bool full, std::function<void(const ActionReport&)> done)>;

}  // namespace peerstage::daemon
