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
  /// On this machine: its own, and those of its local peers. What is in them and not staged yet is kept.
  std::vector<std::string> collect_dirs;
  std::optional<std::string> staging_dir;  ///< of this machine, if it stages; what is ours in it is spared
  std::vector<std::string> lasting;        ///< directories that stay when they are empty, beside all of these
  config::UnstagedData unstaged = config::UnstagedData::keep;
  std::chrono::system_clock::time_point now;
  bool dry_run = false;
  std::function<bool()> cancelled;  ///< asked before each entry; absent: never
};

/// Something that went or, in a dry run, would go.
struct Removal {
  enum class Kind { file, symlink, fifo, socket, directory };
  Kind kind = Kind::file;
  std::string path;         ///< raw bytes
  std::uint64_t bytes = 0;  ///< of a regular file
  std::int64_t age_days = 0;
};

/// What became of one configured directory.
struct DirectoryReport {
  std::string path;  ///< as configured
  std::int64_t retain_days = 0;
  std::uint64_t files = 0, bytes = 0;  ///< removed, or in a dry run: that would be; links and the like are
                                       ///< files without bytes
  std::uint64_t directories = 0;
  std::uint64_t kept_unstaged = 0;    ///< files that are old enough, but no master has staged them
  std::vector<std::string> failures;  ///< printable sentences, the first hundred
  std::uint64_t more_failures = 0;
  std::vector<Removal> removals;  ///< in a dry run only
};

struct PurgeReport {
  std::vector<DirectoryReport> directories;  ///< those that were begun
  bool cancelled = false;
};

/// Removes what is in the directories and was not used for retain_days (see age.h), and the directories that
/// are empty then. Tells the observer of every removal, failure and exception. Follows no link, leaves no
/// file system, changes no access time. docs/purge.md has every rule. Blocks; does not throw.
PurgeReport purge(const PurgeOptions& options, Observer& observer);

const char* to_string(Removal::Kind kind);

}  // namespace peerstage::peers::purge
