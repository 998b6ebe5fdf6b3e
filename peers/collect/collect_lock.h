#pragma once

#include <chrono>
#include <optional>

#include "peers/descriptor.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// Another collect is going on.
class CollectIsLocked : public PeerError {
 public:
  using PeerError::PeerError;
};

/// Keeps a second collect away, of this collect directory and of this working directory, until its end. The
/// kernel gives it back when a process dies.
class CollectLock {
 public:
  /// The lock file belongs to `owner` then (absent: to us), for a collect as that user comes after one as
  /// root. Tries for `patience`: a purge holds the lock for a moment. Throws CollectIsLocked, and PeerError
  /// for everything else.
  CollectLock(const staging::Directory& collect_dir, const staging::Directory& working,
              const std::optional<staging::Ownership>& owner, std::chrono::milliseconds patience);

 private:
  Descriptor collect_dir_;
  Descriptor file_;
};

}  // namespace peerstage::peers::collect
