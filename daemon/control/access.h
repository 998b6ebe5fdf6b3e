#pragma once

#include <optional>
#include <vector>

#include <sys/types.h>

/// Who may do what over the control socket.
namespace peerstage::daemon {

enum class Access {
  none,
  read,  ///< may look at everything, and change nothing
  full
};

/// Who is at the other end of a Unix socket, as the kernel has it since the connection was made.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary ones
};

struct AccessPolicy {
  uid_t service_user = 0;              ///< may do everything, as root may
  std::optional<gid_t> reading_group;  ///< whose members may look; absent: nobody else
};

Access access_of(const Caller& caller, const AccessPolicy& policy);

/// SO_PEERCRED and SO_PEERGROUPS, see unix(7) and socket(7). Absent when the kernel does not tell, and then
/// nobody is let in. Where only the groups cannot be had there are none.
std::optional<Caller> caller_of(int socket);

}  // namespace peerstage::daemon
