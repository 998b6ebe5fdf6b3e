#pragma once

#include <dirent.h>
#include <memory>

#include "peers/descriptor.h"

namespace peerstage::peers {

/// Reads a directory through its descriptor (fdopendir(3), readdir(3)).
class DirectoryStream {
 public:
  /// Takes the descriptor. False as a bool, with errno set, when there is none or it is no directory's.
  explicit DirectoryStream(Descriptor directory);
  explicit operator bool() const { return stream_ != nullptr; }

  int descriptor() const { return ::dirfd(stream_.get()); }
  /// The next entry except "." and "..", valid until the next call. Null at the end, with errno 0, and after
  /// an error, with errno set.
  const dirent* next();

 private:
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Close> stream_;
};

}  // namespace peerstage::peers
