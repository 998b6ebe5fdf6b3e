#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "peers/connection.h"
#include "peers/sftp/session.h"

namespace peerstage::peers::sftp {

/// Reads one directory, with many requests in flight. Used once.
class Listing {
 public:
  Listing(Session& session, const std::string& directory, const ListLimits& limits);

  /// See Connection::list.
  std::vector<ListedEntry> read();

 private:
  std::optional<PeerError> read_entries(const std::string& handle);
  void take_names(const Packet& packet);
  void complete_infos();

  Session& session_;
  const std::string& directory_;
  const ListLimits& limits_;
  std::vector<ListedEntry> entries_;
  std::size_t seen_ = 0, name_bytes_ = 0;  ///< "." and ".." included: they must not come for ever either
};

}  // namespace peerstage::peers::sftp
