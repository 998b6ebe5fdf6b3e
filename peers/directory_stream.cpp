#include "peers/directory_stream.h"

#include <cerrno>
#include <string_view>

namespace peerstage::peers {

DirectoryStream::DirectoryStream(Descriptor directory) {
  if (!directory) return;
  stream_.reset(::fdopendir(directory.get()));
  if (stream_) directory.release();
}

const dirent* DirectoryStream::next() {
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream_.get());
    if (entry == nullptr) return nullptr;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return entry;
  }
}

}  // namespace peerstage::peers
