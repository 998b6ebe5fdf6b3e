#include "peers/staging/source_tag.h"

#include <algorithm>

#include <sys/xattr.h>

namespace peerstage::peers::staging {
namespace {

constexpr const char* attribute = "user.peerstage.source";
constexpr std::uint8_t version = 1;

// Where the fields begin.
constexpr std::size_t size_at = 1, modified_at = 9, sum_at = 17;
constexpr std::size_t number_size = 8;

void put(std::span<std::uint8_t> to, std::uint64_t number) {
  for (std::size_t i = 0; i < number_size; ++i) to[i] = static_cast<std::uint8_t>(number >> (8 * i));
}

std::uint64_t get(std::span<const std::uint8_t> from) {
  std::uint64_t number = 0;
  for (std::size_t i = number_size; i-- > 0;) number = (number << 8U) | from[i];
  return number;
}

}  // namespace

SourceTag::Encoded SourceTag::encode() const {
  Encoded bytes{};
  const std::span<std::uint8_t> all(bytes);
  all[0] = version;
  put(all.subspan(size_at), size);
  put(all.subspan(modified_at), static_cast<std::uint64_t>(modified.count()));
  std::ranges::copy(sum.bytes, all.subspan(sum_at).begin());
  return bytes;
}

std::optional<SourceTag> SourceTag::decode(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != encoded_size || bytes[0] != version) return std::nullopt;
  SourceTag tag;
  tag.size = get(bytes.subspan(size_at));
  tag.modified = std::chrono::nanoseconds(static_cast<std::int64_t>(get(bytes.subspan(modified_at))));
  std::ranges::copy(bytes.subspan(sum_at), tag.sum.bytes.begin());
  return tag;
}

std::optional<SourceTag> read_tag(int file) {
  std::array<std::uint8_t, SourceTag::encoded_size + 1> bytes{};  // one more, so that a longer value shows
  const ssize_t length = ::fgetxattr(file, attribute, bytes.data(), bytes.size());
  if (length < 0) return std::nullopt;
  return SourceTag::decode(std::span(bytes).first(static_cast<std::size_t>(length)));
}

void write_tag(int file, const SourceTag& tag) {
  const SourceTag::Encoded bytes = tag.encode();
  static_cast<void>(::fsetxattr(file, attribute, bytes.data(), bytes.size(), 0));
}

}  // namespace peerstage::peers::staging
