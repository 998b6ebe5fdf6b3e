#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace peerstage::peers {

/// A user of this machine with all of his groups, as the user database has them.
struct LocalAccount {
  std::string name, home;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< `gid` included

  /// Whether this process is that already.
  bool is_us() const;
};

/// `user` empty: ourselves; `group` empty: the user's own (of ourselves: the one that we have). Throws
/// PeerError, permanent, naming what does not exist.
LocalAccount look_up_account(const std::string& user, const std::string& group);

/// Our user's name, or his number where he has none.
std::string our_name();

}  // namespace peerstage::peers
