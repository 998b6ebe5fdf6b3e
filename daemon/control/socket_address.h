#pragma once

#include <cstring>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>

namespace peerstage::daemon {

/// Where a Unix socket stands in the file system, as the system calls want it.
class SocketAddress {
 public:
  /// Absent when the path is empty, or longer than sun_path takes (unix(7)).
  static std::optional<SocketAddress> of(const std::string& path) {
    SocketAddress result;
    if (path.empty() || path.size() >= sizeof result.address_.sun_path ||
        path.find('\0') != std::string::npos)
      return std::nullopt;
    result.address_.sun_family = AF_UNIX;
    std::memcpy(result.address_.sun_path, path.c_str(), path.size() + 1);
    return result;
  }

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  static socklen_t size() { return sizeof(sockaddr_un); }

 private:
  SocketAddress() = default;

  sockaddr_un address_{};
};

}  // namespace peerstage::daemon
