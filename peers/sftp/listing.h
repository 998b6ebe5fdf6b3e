#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "peers/connection.h"
#include "peers/sftp/session.h"

namespace peerstage::peers::sftp {

/// Reads directories, several at a time and each with several requests in flight. Used once.
class Listing {
 public:
  Listing(Session& session, const std::vector<std::string>& directories, const ListLimits& limits);

  /// See Connection::list_all.
  std::vector<std::vector<ListedEntry>> read();

 private:
  using Index = std::uint32_t;

  struct OneDirectory {
    std::optional<std::string> handle;  ///< absent: not open yet
    std::size_t unanswered = 0;         ///< READDIRs
    bool ended = false;                 ///< the server said that it has no more
  };

  bool ended() const;
  void ask();
  void ask_for_entries(Index index);
  void take(const Answer& answer);
  void opened(Index index, const Answer& answer);
  void entries_came(Index index, const Answer& answer);
  void take_names(Index index, const Packet& packet);
  void fail(const PeerError& failure);
  void complete_infos();

  Session& session_;
  const std::vector<std::string>& directories_;
  const ListLimits& limits_;
  const std::size_t at_a_time_;  ///< directories
  std::vector<OneDirectory> states_;
  std::vector<Index> open_;  ///< or about to be
  Index next_ = 0;           ///< to be opened
  std::vector<std::vector<ListedEntry>> entries_;
  std::size_t seen_ = 0, name_bytes_ = 0;  ///< "." and ".." included: they must not come for ever either
  std::optional<PeerError> failure_;       ///< the first
};

}  // namespace peerstage::peers::sftp
