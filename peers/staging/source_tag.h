#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "peers/staging/hash.h"

namespace peerstage::peers::staging {

/// What a staged file was at the peer when it was fetched, and its sum. It stays with the staged file as the
/// extended attribute `user.peerstage.source`, so that a later run of the same day knows without reading that
/// the file has not changed. At most 52 bytes fit into an ext4 inode and cost no block. They are: version
/// (1), size in bytes (8), mtime in ns since the epoch (8), sum (32), and where there is an earlier day, its
/// number of days since the epoch (2). Numbers are little-endian.
struct SourceTag {
  std::uint64_t size = 0;
  std::chrono::nanoseconds modified{0};
  Digest sum;
  /// The earlier day on which it was fetched, if it was taken from there; 1970 to 2149.
  std::optional<std::chrono::year_month_day> fetched_on = std::nullopt;
  bool operator==(const SourceTag&) const = default;

  std::vector<std::uint8_t> encode() const;
  /// Absent: this is no tag, or one of another version.
  static std::optional<SourceTag> decode(std::span<const std::uint8_t> bytes);
};

/// Absent: there is none, or the file system has no such attributes.
std::optional<SourceTag> read_tag(int file);
/// Best effort: without a tag the file is fetched again, that is all.
void write_tag(int file, const SourceTag& tag);

}  // namespace peerstage::peers::staging
