#pragma once

#include <optional>
#include <string>

#include <sys/stat.h>

#include "peers/staging/directory.h"
#include "peers/staging/markers.h"

namespace peerstage::peers::purge {

/// What the indicators of a collect directory said at one moment.
///
/// A file was staged when a master has marked the collect that it belongs to (`cback.stage` is later than
/// `cback.collect`, see staging::says_staged), and it was there before that mark and has not changed since.
/// Without a `cback.collect` a collect failed or is under way, perhaps since before the mark: then nothing is
/// known to be staged.
class StagedState {
 public:
  /// Looks at the indicators; links and directories of their names do not count. One that cannot be looked at
  /// counts as absent.
  static StagedState of(const staging::Directory& collect_dir);

  bool is_staged(const struct stat& file) const;
  /// Why something is not, as the end of a sentence.
  std::string reason() const;

 private:
  using Marker = staging::Marker;
  StagedState(std::optional<Marker> collected, std::optional<Marker> staged)
      : collected_(collected), staged_(staged) {}
  bool is_marked() const;

  std::optional<Marker> collected_, staged_;
};

}  // namespace peerstage::peers::purge
