#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peers/clock.h"
#include "peers/connection.h"
#include "peers/sftp/session.h"
#include "peers/sftp/transport.h"

namespace peerstage::peers::sftp {

/// What an SFTP server (version 3) can do of a Connection. Everything that the server sends is hostile until
/// checked.
///
/// Failures are PeerError; the messages name the machine and the path. After one that left answers open (the
/// stream broke, the server broke the protocol, a receiver threw) every further call fails at once. Not for
/// use by several threads.
class Client {
 public:
  /// Begins the session. The transport must outlive the client; how long anything may take is the transport's
  /// to say. The clock measures the line.
  Client(Transport& transport, std::string machine);
  Client(Transport& transport, std::string machine, const Clock& clock);

  /// See Connection.
  std::optional<FileInfo> lstat(const std::string& path);
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits);
  std::vector<std::vector<ListedEntry>> list_all(const std::vector<std::string>& directories,
                                                 const ListLimits& limits);
  void fetch(FileReceiver& receiver);
  /// A symlink of that name is removed, one to a file elsewhere included; a directory, FIFO or the like is an
  /// error.
  void write_marker(const std::string& path);

 private:
  /// What stands where a file is to be created, and how creating it went.
  struct Creation {
    std::optional<FileInfo> found;
    std::string handle;  ///< empty: refused
    std::optional<PeerError> look_failed, refused;
  };
  Creation try_to_create(const std::string& path);
  std::string open(const std::string& path, OpenFlags flags);
  void remove(const std::string& path);
  void finish_marker(const std::string& path, const std::string& handle);

  Session session_;
};

}  // namespace peerstage::peers::sftp
