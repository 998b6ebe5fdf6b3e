#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "config/config.h"
#include "peers/collect/archive.h"
#include "peers/collect/collect_memory.h"
#include "peers/collect/digest.h"
#include "peers/collect/tree.h"

namespace peerstage::peers::collect {

/// Decides what an incremental archive needs to hold, and writes the digest of what is there now.
///
/// A regular file is left out if the digest has it with the same content; with `ArchiveContent::whole` its
/// rights have to be the same, too, and a directory is left out if its rights and its time are. Links are
/// always in.
class Increment {
 public:
  struct Rules {
    config::ArchiveContent content = config::ArchiveContent::whole;
    std::chrono::seconds settle_time{60};
  };
  /// `cedars_is_unstaged` as for CollectMemory::base.
  Increment(CollectMemory& memory, const std::string& archive, bool cedars_is_unstaged, const Rules& rules);

  /// Whether the entry is known to be staged as it is; it is in the new digest then. A file may have to be
  /// read for it: PeerError if it cannot. `now` was taken before.
  bool is_known(const TreeEntry& entry, std::chrono::system_clock::time_point now);
  /// It was archived, with this content. `now` was taken before.
  void archived(const TreeEntry& entry, const std::optional<ContentSum>& sum,
                std::chrono::system_clock::time_point now);
  /// Makes the new digest durable. Why there is none, in a sentence: the next collect compares with the old
  /// one then, and takes more than need be.
  std::optional<std::string> commit();

 private:
  bool is_known_file(const TreeEntry& entry, const DigestEntry& known,
                     std::chrono::system_clock::time_point now);
  bool is_known_directory(const TreeEntry& entry, const DigestEntry& known) const;
  DigestEntry described(const TreeEntry& entry, const ContentSum& sum,
                        std::chrono::system_clock::time_point now) const;

  void put(const std::string& path, const DigestEntry& entry);
  void give_up(const std::exception& error);

  Digest base_;
  Rules rules_;
  std::optional<DigestWriter> pending_;
  std::optional<std::string> fault_;
};

}  // namespace peerstage::peers::collect
