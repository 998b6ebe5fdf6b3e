#pragma once

#include "peers/descriptor.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// Another collect is going on.
class CollectIsLocked : public PeerError {
 public:
  using PeerError::PeerError;
};

/// Keeps a second collect away, of this collect directory and of this working directory, until its end. The
/// kernel gives it back when a process dies. Throws CollectIsLocked, and PeerError for everything else.
class CollectLock {
 public:
  CollectLock(const staging::Directory& collect_dir, const staging::Directory& working);

 private:
  Descriptor collect_dir_;
  Descriptor file_;
};

}  // namespace peerstage::peers::collect
