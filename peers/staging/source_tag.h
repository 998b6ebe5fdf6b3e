#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "peers/staging/hash.h"

namespace peerstage::peers::staging {

/// What a staged file was at the peer when it was fetched, and its sum. It stays with the staged file as the
/// extended attribute `user.peerstage.source`, so that a later run of the same day knows without reading that
/// the file has not changed. Text of four words: version ("1"), size in bytes, mtime in ns since the epoch,
/// sum in hex.
struct SourceTag {
  std::uint64_t size = 0;
  std::chrono::nanoseconds modified{0};
  Digest sum;
  bool operator==(const SourceTag&) const = default;

  std::string text() const;
  static std::optional<SourceTag> from_text(std::string_view text);
};

/// Absent: there is none, or the file system has no such attributes.
std::optional<SourceTag> read_tag(int file);
/// Best effort: without a tag the file is fetched again, that is all.
void write_tag(int file, const SourceTag& tag);

}  // namespace peerstage::peers::staging
