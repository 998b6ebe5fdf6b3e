#include "peers/purge/staged_state.h"

#include <algorithm>

#include "peers/failure.h"
#include "peers/peer.h"

namespace peerstage::peers::purge {
namespace {

/// What cannot be seen proves nothing.
std::optional<staging::Marker> visible_marker(const staging::Directory& collect_dir, const char* indicator) {
  try {
    return staging::find_marker(collect_dir, indicator);
  } catch (const PeerError&) {
    return std::nullopt;
  }
}

}  // namespace

StagedState StagedState::of(const staging::Directory& collect_dir) {
  return {visible_marker(collect_dir, collect_indicator), visible_marker(collect_dir, stage_indicator)};
}

bool StagedState::is_marked() const {
  return collected_ && staging::says_staged(staged_, collected_->modified);
}

bool StagedState::is_staged(const struct stat& file) const {
  if (!is_marked()) return false;
  // The ctime, too: a file that was renamed into the directory keeps its mtime.
  const Marker own = staging::marker_of(file);
  return std::max(own.modified, own.changed) < staged_->written();
}

std::string StagedState::reason() const {
  if (is_marked()) return std::string("they came or changed after its ") + stage_indicator + " was written";
  if (!collected_)
    return std::string("it has no ") + collect_indicator + ", so its last collect is not finished or failed";
  if (!staged_)
    return std::string("it has no ") + stage_indicator + ", so no master has staged what was collected";
  return std::string("its ") + stage_indicator + " is not later than its " + collect_indicator +
         ", so no master has staged the last collect";
}

}  // namespace peerstage::peers::purge
