#pragma once

#include <ctime>
#include <optional>
#include <string>

#include <sys/stat.h>

#include "peers/staging/directory.h"

namespace peerstage::peers::purge {

/// What the indicators of a collect directory said at one moment.
///
/// A file was staged when a master has marked the collect that it belongs to (`cback.stage` is not older than
/// `cback.collect`), and it has not changed since that mark. Without a `cback.collect` a collect failed or is
/// under way, perhaps since before the mark: then nothing is known to be staged.
class StagedState {
 public:
  /// Looks at the indicators; links and directories of their names do not count. One that cannot be looked at
  /// counts as absent.
  static StagedState of(const staging::Directory& collect_dir);

  bool is_staged(const struct stat& file) const;
  /// Why something is not, as the end of a sentence.
  std::string reason() const;

 private:
  StagedState(std::optional<timespec> collected, std::optional<timespec> staged)
      : collected_(collected), staged_(staged) {}
  bool is_marked() const;

  std::optional<timespec> collected_, staged_;  ///< mtime of the indicators
};

}  // namespace peerstage::peers::purge
