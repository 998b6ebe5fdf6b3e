#pragma once

#include <cstdint>

namespace peerstage::daemon {

/// What this process holds at the moment, from /proc/self (proc(5)); 0 where that cannot be read.
struct ProcessUsage {
  std::uint64_t resident_bytes = 0;
  unsigned open_descriptors = 0;
};

ProcessUsage process_usage();

}  // namespace peerstage::daemon
