#include "daemon/service/process_usage.h"

#include <fstream>

#include <boost/filesystem/operations.hpp>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  if (!(file >> size >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

unsigned open_descriptors() {
  boost::system::error_code error;
  unsigned count = 0;
  for (boost::filesystem::directory_iterator entry("/proc/self/fd", error), end; entry != end;
       entry.increment(error)) {
    if (error) return count;
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // one is that of the listing itself
}

}  // namespace

ProcessUsage process_usage() {
  return {resident_bytes(), open_descriptors()};
}

}  // namespace peerstage::daemon
