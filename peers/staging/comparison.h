#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "peers/staging/held_tree.h"
#include "peers/staging/manifest.h"
#include "peers/staging/survey.h"

namespace peerstage::peers::staging {

/// What stands between a collect directory and the peer's day.
struct Comparison {
  std::vector<std::size_t> fetch;  ///< of the survey's files: new, changed or in doubt
  std::vector<std::size_t> kept;   ///< of the survey's files: the day holds them
  bool new_directories = false;

  bool nothing_to_do() const { return fetch.empty() && !new_directories; }
};

/// A file is unchanged when the staged one carries a tag with the source's size and mtime, still has that
/// size, and the sum of its tag is that of the day's manifest (and that of the peer's, if it names the file).
/// `distrusted` paths are fetched whatever they look like.
///
/// Throws PeerError, permanent, when a file and a directory claim the same path.
Comparison compare(const Survey& survey, const HeldTree& held, const std::optional<Manifest>& peers_manifest,
                   const std::set<std::string>& distrusted);

/// Whether a staged file is what the peer has: the rule above, but for `distrusted`.
bool unchanged(const SourceFile& file, const HeldFile& held, const std::optional<Manifest>& peers_manifest);

/// Does the day hold this content under this path, by its size and its manifest?
bool holds(const HeldTree& held, const std::string& path, std::uint64_t size, const Digest& sum);

}  // namespace peerstage::peers::staging
