#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "peers/staging/hash.h"

namespace peerstage::peers::staging {

/// What a staged file was at the peer when it was fetched, and its sum. It stays with the staged file as the
/// extended attribute `user.peerstage.source`, so that a later run of the same day knows without reading that
/// the file has not changed. 49 bytes, so that it fits into an ext4 inode and costs no block: version (1),
/// size in bytes (8), mtime in ns since the epoch (8), both little-endian, sum (32).
struct SourceTag {
  std::uint64_t size = 0;
  std::chrono::nanoseconds modified{0};
  Digest sum;
  bool operator==(const SourceTag&) const = default;

  static constexpr std::size_t encoded_size = 49;
  using Encoded = std::array<std::uint8_t, encoded_size>;
  Encoded encode() const;
  /// Absent: this is no tag, or one of another version.
  static std::optional<SourceTag> decode(std::span<const std::uint8_t> bytes);
};

/// Absent: there is none, or the file system has no such attributes.
std::optional<SourceTag> read_tag(int file);
/// Best effort: without a tag the file is fetched again, that is all.
void write_tag(int file, const SourceTag& tag);

}  // namespace peerstage::peers::staging
