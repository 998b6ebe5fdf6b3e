#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "config/stage_plan.h"
#include "peers/connection.h"
#include "peers/observer.h"
#include "peers/peer.h"
#include "peers/staging/bandwidth_limit.h"
#include "peers/staging/peer_place.h"
#include "peers/staging/staging_area.h"

namespace peerstage::peers::staging {

struct StageOptions {
  config::Verify verify = config::Verify::manifest;
  config::Subdirectories subdirectories = config::Subdirectories::recurse;
  config::SpecialFiles special_files = config::SpecialFiles::skip;
  std::optional<config::FileMode> permissions;  ///< absent: the source's bits & 0777 & ~umask
  mode_t umask = 022;
  config::MinimumFree minimum_free = 5.0;
  BandwidthLimit bandwidth_limit;  ///< this peer's share
  bool reuse_unchanged = true;     ///< see reuse.h
  RunMode mode = RunMode::real;
};

/// The whole staging of one peer: look at its collect directory, compare with what the day holds, take what
/// has not changed from an earlier day, fetch what is new or changed into the spool, look again, verify, and
/// publish by one rename. When it returns, the
/// peer's day would survive a power cut.
///
/// A day that holds everything already is not touched at all. Files that are gone at the peer stay, as do
/// those of other tools. What changes while it is read is fetched again, up to three times in all; the result
/// is never a mixture. What was fetched stays in the spool when it fails, and the next attempt goes on from
/// there.
///
/// Throws PeerError. Blocks for as long as the connection does.
StagedTree stage_tree(Connection& connection, const std::string& collect_dir, PeerPlace& place,
                      const StageOptions& options, Observer& observer);

}  // namespace peerstage::peers::staging
