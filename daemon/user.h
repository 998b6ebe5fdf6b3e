#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "config/load.h"
#include "peers/staging/directory.h"

namespace peerstage::daemon {

/// A user of this machine, as the user database has it.
struct User {
  std::string name;
  std::string home;
  uid_t uid = 0;
  gid_t gid = 0;  ///< of the group that was asked for, else the user's own
};

/// Looks up a user and a group by name. Throws std::runtime_error naming what does not exist.
User look_up_user(const std::string& user, const std::string& group);

/// Root hands what it writes over to the backup user; anybody else keeps it: absent. Throws as look_up_user.
std::optional<peers::staging::Ownership> owner_to_be(const std::string& backup_user,
                                                     const std::string& backup_group);

/// Looks up a group by name. `what` it is and in which `element` of the configuration it stands are for the
/// std::runtime_error about one that does not exist.
gid_t look_up_group(const std::string& group, const std::string& what, const std::string& element);

/// Who we are. The home is that of the user database, as for ssh(1), not $HOME.
User calling_user();

config::StartedAs started_as();

}  // namespace peerstage::daemon
