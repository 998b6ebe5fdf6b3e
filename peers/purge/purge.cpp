#include "peers/purge/purge.h"

#include <optional>

#include "peers/failure.h"
#include "peers/purge/landmarks.h"
#include "peers/purge/tree_purge.h"

namespace peerstage::peers::purge {

namespace {

/// Without them, nobody knows what has to stay.
std::optional<Landmarks> find_landmarks(const PurgeOptions& options, PurgeReport& report,
                                        Observer& observer) {
  try {
    return Landmarks(options);
  } catch (const PeerError& error) {
    const std::string sentence = std::string("nothing is purged: ") + error.what();
    for (const config::PurgeDirectory& each : options.directories) {
      DirectoryReport& directory = report.directories.emplace_back();
      directory.path = each.abs_path;
      directory.retain_days = each.retain_days;
      directory.failures.push_back(sentence);
    }
    observer.event(EventLevel::error, sentence);
    return std::nullopt;
  }
}

}  // namespace

PurgeReport purge(const PurgeOptions& options, Observer& observer) {
  PurgeReport report;
  // Before anything is removed: what the indicators say now holds for all of it.
  const auto landmarks = find_landmarks(options, report, observer);
  if (!landmarks) return report;
  for (const config::PurgeDirectory& each : options.directories) {
    DirectoryReport& directory = report.directories.emplace_back();
    directory.path = each.abs_path;
    directory.retain_days = each.retain_days;
    try {
      TreePurge(options, *landmarks, observer, directory).run();
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
