#include "peers/purge/staged_state.h"

#include "peers/failure.h"
#include "peers/peer.h"
#include "peers/purge/age.h"

namespace peerstage::peers::purge {
namespace {

std::optional<timespec> time_of(const staging::Directory& collect_dir, const char* indicator) {
  try {
    const auto status = collect_dir.find(indicator);
    if (status && S_ISREG(status->st_mode)) return status->st_mtim;
  } catch (const PeerError&) {
    // What cannot be seen proves nothing.
  }
  return std::nullopt;
}

}  // namespace

StagedState StagedState::of(const staging::Directory& collect_dir) {
  return {time_of(collect_dir, collect_indicator), time_of(collect_dir, stage_indicator)};
}

bool StagedState::is_marked() const {
  return collected_ && staged_ && !is_later(*collected_, *staged_);
}

bool StagedState::is_staged(const struct stat& file) const {
  // The ctime, too: a file that was renamed into the directory keeps its mtime.
  return is_marked() && !is_later(file.st_mtim, *staged_) && !is_later(file.st_ctim, *staged_);
}

std::string StagedState::reason() const {
  if (is_marked()) return std::string("they changed after its ") + stage_indicator + " was written";
  if (!collected_)
    return std::string("it has no ") + collect_indicator + ", so its last collect is not finished or failed";
  if (!staged_)
    return std::string("it has no ") + stage_indicator + ", so no master has staged what was collected";
  return std::string("its ") + stage_indicator + " is older than its " + collect_indicator +
         ", so no master has staged the last collect";
}

}  // namespace peerstage::peers::purge
