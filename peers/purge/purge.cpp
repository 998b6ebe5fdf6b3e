#include "peers/purge/purge.h"

#include "peers/purge/landmarks.h"
#include "peers/purge/tree_purge.h"

namespace peerstage::peers::purge {

PurgeReport purge(const PurgeOptions& options, Observer& observer) {
  PurgeReport report;
  // Before anything is removed: what the indicators say now holds for all of it.
  const Landmarks landmarks(options);
  for (const config::PurgeDirectory& each : options.directories) {
    DirectoryReport& directory = report.directories.emplace_back();
    directory.path = each.abs_path;
    directory.retain_days = each.retain_days;
    try {
      TreePurge(options, landmarks, observer, directory).run();
    } catch (const PurgeCancelled&) {
      report.cancelled = true;
      break;
    }
  }
  return report;
}

const char* to_string(Removal::Kind kind) {
  switch (kind) {
    case Removal::Kind::file:
      return "file";
    case Removal::Kind::symlink:
      return "symlink";
    case Removal::Kind::fifo:
      return "fifo";
    case Removal::Kind::socket:
      return "socket";
    case Removal::Kind::directory:
      return "directory";
  }
  return "file";
}

}  // namespace peerstage::peers::purge
