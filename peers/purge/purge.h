#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "peers/observer.h"

namespace peerstage::peers::purge {

/// One purge of this machine's directories.
struct PurgeOptions {
  std::vector<config::PurgeDirectory> directories;
  std::optional<std::string> collect_dir;  ///< of this machine, if it collects
  config::UnstagedData unstaged = config::UnstagedData::keep;
  std::chrono::system_clock::time_point now;
  bool dry_run = false;
  std::function<bool()> cancelled;  ///< asked between removals; absent: never
};

/// What became of one configured directory.
struct DirectoryReport {
  std::string path;
  std::uint64_t files = 0, bytes = 0;  ///< removed, or in a dry run: that would be
  std::uint64_t directories = 0;
  std::uint64_t kept_unstaged = 0;    ///< old enough, but no master has staged them
  std::vector<std::string> failures;  ///< printable sentences, the first hundred
  std::uint64_t more_failures = 0;
};

struct PurgeReport {
  std::vector<DirectoryReport> directories;
  bool cancelled = false;
};

/// Removes what is older than each directory's retain_days, and the directories that are empty then; tells
/// the observer of every removal. Follows no link, leaves no file system. Blocks; does not throw.
PurgeReport purge(const PurgeOptions& options, Observer& observer);

}  // namespace peerstage::peers::purge
