#pragma once

#include <string>
#include <vector>

#include "daemon/actions/action_order.h"

namespace peerstage::daemon {

/// "collect here, mysql here extension, collect peers"
inline std::string items_text(const std::vector<ActionItem>& items) {
  std::string text;
  for (const ActionItem& item : items) {
    text += (text.empty() ? "" : ", ") + item.name + (item.place == ActionPlace::here ? " here" : " peers");
    if (item.extension != nullptr) text += " extension";
  }
  return text;
}

}  // namespace peerstage::daemon
