#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "peers/connection.h"
#include "peers/peer.h"
#include "peers/staging/relative_path.h"

namespace peerstage::peers::staging {

/// A regular file of the collect directory.
struct SourceFile {
  RelativePath path;
  std::uint64_t size = 0;
  std::chrono::nanoseconds modified{0};
  std::uint32_t permissions = 0;
  bool operator==(const SourceFile&) const = default;
};

struct SourceDirectory {
  RelativePath path;
  std::uint32_t permissions = 0;
  bool operator==(const SourceDirectory&) const = default;
};

/// What is in a collect directory at one moment.
struct Survey {
  std::vector<SourceFile> files;  ///< in the order of paths
  std::vector<SourceDirectory>
      directories;                     ///< in the order of paths, so parents first; the top is not among them
  std::vector<SkippedEntry> skipped;   ///< in the order of paths
  std::optional<SourceFile> manifest;  ///< the peer's own cback.sha256, which is not one of `files`
  bool operator==(const Survey&) const = default;

  std::uint64_t bytes() const;
  bool has_file(const std::string& path) const;
};

/// What to do with what is no regular file.
struct SurveyRules {
  config::Subdirectories subdirectories = config::Subdirectories::recurse;
  config::SpecialFiles special_files = config::SpecialFiles::skip;
};

/// Looks at the whole collect directory, breadth first. Our own stage indicator is left out without a word.
///
/// Throws PeerError: hostile for a name that EntryName refuses, a name that comes twice, or more than a
/// million entries or directories deeper than 64; permanent for an entry that the rules do not allow or that
/// does not tell its size, mode and time; and whatever the connection throws.
Survey survey(Connection& connection, const std::string& collect_dir, const SurveyRules& rules);

/// The path of a surveyed entry on the peer's machine.
std::string path_on_peer(const std::string& collect_dir, const RelativePath& path);

}  // namespace peerstage::peers::staging
