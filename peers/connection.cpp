#include "peers/connection.h"

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

}  // namespace peerstage::peers
