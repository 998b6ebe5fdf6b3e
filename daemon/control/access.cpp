#include "daemon/control/access.h"

#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

namespace peerstage::daemon {
namespace {

std::vector<gid_t> groups_of(int socket) {
  std::vector<gid_t> groups(32);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (result != 0 && errno != ERANGE) break;
    groups.resize(size / sizeof(gid_t));  // what there is, also when there was no room for it
    if (result == 0) return groups;
  }
  return {};
}

}  // namespace

Access access_of(const Caller& caller, const AccessPolicy& policy) {
  if (caller.uid == 0 || caller.uid == policy.service_user) return Access::full;
  if (!policy.reading_group) return Access::none;
  const bool member =
      caller.gid == *policy.reading_group || std::ranges::count(caller.groups, *policy.reading_group) > 0;
  return member ? Access::read : Access::none;
}

std::optional<Caller> caller_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 || size != sizeof credentials)
    return std::nullopt;
  return Caller{credentials.uid, credentials.gid, groups_of(socket)};
}

}  // namespace peerstage::daemon
