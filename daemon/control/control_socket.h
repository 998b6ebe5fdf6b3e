#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include <sys/types.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// The control socket cannot be had; the message is one sentence that names it.
class ControlSocketError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Somebody listens there already.
class AnotherDaemonListens : public ControlSocketError {
 public:
  using ControlSocketError::ControlSocketError;
};

/// A Unix socket in the file system that listens, non-blocking and close-on-exec. Never one of the abstract
/// namespace, which knows no permissions.
class ControlSocket {
 public:
  /// Makes it: mode 0600, or 0660 with that group; at no moment more than that. A file `PATH.lock`, which
  /// stays, keeps two daemons from doing this at the same time. A socket that stands there and to which
  /// nobody listens is one of a daemon that was killed, and is replaced; anything else is left alone. The
  /// directory has to exist. The umask of the process changes for a moment: for a program with one thread.
  /// Throws ControlSocketError.
  static ControlSocket listen_at(const std::string& path, std::optional<gid_t> group);

  /// Takes the listening socket that a service manager passed, and leaves its file alone at the end. Throws
  /// ControlSocketError when it is anything else.
  static ControlSocket adopt(int descriptor);

  /// Removes what listen_at made, if it still is what stands there.
  ~ControlSocket();
  ControlSocket(ControlSocket&&) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;

  int descriptor() const { return socket_.get(); }

 private:
  ControlSocket() = default;

  peers::Descriptor lock_;
  peers::Descriptor socket_;
  std::string path_;  ///< empty: not ours to remove
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace peerstage::daemon
