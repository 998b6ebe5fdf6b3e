#include "peers/connection.h"

#include <algorithm>

namespace peerstage::peers {

const char* to_string(FileType type) {
  switch (type) {
    case FileType::regular:
      return "regular file";
    case FileType::directory:
      return "directory";
    case FileType::symlink:
      return "symlink";
    case FileType::fifo:
      return "fifo";
    case FileType::socket:
      return "socket";
    case FileType::device:
      return "device";
    case FileType::unknown:
      return "unknown type";
  }
  return "unknown type";
}

std::vector<std::vector<ListedEntry>> Connection::list_all(const std::vector<std::string>& directories,
                                                           ListLimits limits) {
  std::vector<std::vector<ListedEntry>> all;
  for (const std::string& directory : directories) {
    all.push_back(list(directory, limits));
    limits.entries -= std::min(limits.entries, all.back().size());
    for (const ListedEntry& entry : all.back())
      limits.name_bytes -= std::min(limits.name_bytes, entry.name.size());
  }
  return all;
}

}  // namespace peerstage::peers
