#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// What incremental items start from.
enum class Base {
  confirmed,  ///< what the confirmed digests say
  nothing     ///< all is collected, until a collect of all is known to be staged
};

/// What is remembered from one collect to the next, beside the digests.
struct CollectState {
  /// A collect that wrote its indicator.
  struct Published {
    std::string id;                           ///< stands in its pending digests
    std::int64_t modified = 0;                ///< of its cback.collect, in ns since the epoch
    std::uint64_t inode = 0;                  ///< the same
    std::optional<std::int64_t> staged = {};  ///< when a master said that it has staged it, the same
  };
  /// An earlier collect that is staged, but not confirmed yet: its day is not over.
  struct Waiting {
    std::string id;           ///< stands in its waiting digests
    std::int64_t staged = 0;  ///< when a master said so, in ns since the epoch
  };
  std::string collect_dir;
  Base base = Base::confirmed;
  bool trusts_cedar = true;            ///< digests of Cedar Backup serve where there is none of ours
  std::optional<Published> published;  ///< absent: nothing is pending
  std::optional<Waiting> waiting;
  std::vector<std::string> archives;  ///< of ours in the collect directory
};

/// Absent: there is none. PeerError for one that is broken.
std::optional<CollectState> read_collect_state(const staging::Directory& working);

/// Durable when it returns. Throws PeerError.
void write_collect_state(const staging::Directory& working, const std::optional<staging::Ownership>& owner,
                         const CollectState& state);

}  // namespace peerstage::peers::collect
