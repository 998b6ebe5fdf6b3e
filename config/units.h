#pragma once

#include <cstdint>

namespace peerstage::config {

/// A number of bytes. KB, MB, GB and TB in the configuration are powers of 1024.
struct ByteCount {
  std::uint64_t bytes = 0;
  auto operator<=>(const ByteCount&) const = default;
};

/// A TCP port, 1 to 65535.
struct Port {
  std::uint16_t number = 0;
  auto operator<=>(const Port&) const = default;
};

/// Permission bits, 0 to 0777: never setuid, setgid or sticky.
struct FileMode {
  std::uint32_t bits = 0;
  auto operator<=>(const FileMode&) const = default;
};

}  // namespace peerstage::config
