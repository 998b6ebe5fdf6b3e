#pragma once

#include <array>
#include <cstring>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "peers/descriptor.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::test {

/// A datagram socket with a path, and what was sent there.
class DatagramSocket {
 public:
  DatagramSocket() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{AF_UNIX, {}};
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  const std::string& path() const { return path_; }

  /// The next one; empty: there is none.
  std::string receive() const {
    std::array<char, 65536> buffer{};
    const auto size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  const TemporaryDirectory directory_;
  const std::string path_ = directory_ / "socket";
  peers::Descriptor socket_;
};

}  // namespace peerstage::test
