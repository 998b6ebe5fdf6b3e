#pragma once

#include <string>

namespace peerstage::peers::ssh {

/// What becomes of a host key that is accepted for the first time (accept-new).
enum class NewHostKeys {
  remembered,  ///< written to known_hosts
  forgotten    ///< good for this connection, and written nowhere: a dry run
};

/// The local user whose keys, known_hosts and ssh configuration count.
struct LocalUser {
  std::string name;
  std::string home;  ///< absolute, without a slash at the end
  NewHostKeys new_host_keys = NewHostKeys::remembered;
};

}  // namespace peerstage::peers::ssh
