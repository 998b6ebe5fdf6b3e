#pragma once

#include <string>

namespace peerstage::peers::ssh {

/// The local user whose keys, known_hosts and ssh configuration count.
struct LocalUser {
  std::string name;
  std::string home;  ///< absolute, without a slash at the end
};

}  // namespace peerstage::peers::ssh
