#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

/// What this process holds.
namespace peerstage::test {

#ifdef PEERSTAGE_SANITIZED
inline constexpr bool memory_is_instrumented = true;  // a sanitizer keeps what was freed
#else
inline constexpr bool memory_is_instrumented = false;
#endif

inline std::size_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  status >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Whether the process has grown by less than so many bytes since it held `before`. Always, where that cannot
/// be told.
inline bool grew_by_less_than(std::size_t bytes, std::size_t before) {
  return memory_is_instrumented || resident_bytes() < before + bytes;
}

inline std::size_t entries_of(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

inline std::size_t open_descriptors() {
  return entries_of("/proc/self/fd");
}
inline std::size_t running_threads() {
  return entries_of("/proc/self/task");
}

}  // namespace peerstage::test
