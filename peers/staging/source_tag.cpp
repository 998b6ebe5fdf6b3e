#include "peers/staging/source_tag.h"

#include <algorithm>
#include <array>
#include <limits>

#include <sys/xattr.h>

namespace peerstage::peers::staging {
namespace {

constexpr const char* attribute = "user.peerstage.source";
constexpr std::uint8_t fetched_that_day = 1, fetched_earlier = 2;  // the versions

// Where the fields begin, and the tag ends.
constexpr std::size_t size_at = 1, modified_at = 9, sum_at = 17, day_at = 49, longest = 51;
constexpr std::size_t number_size = 8, day_size = longest - day_at;

void put(std::span<std::uint8_t> to, std::uint64_t number) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::uint8_t>(number >> (8 * i));
}

std::uint64_t get(std::span<const std::uint8_t> from) {
  std::uint64_t number = 0;
  for (std::size_t i = from.size(); i-- > 0;) number = (number << 8U) | from[i];
  return number;
}

/// Absent where it does not fit.
std::optional<std::uint16_t> number_of(const std::optional<std::chrono::year_month_day>& day) {
  if (!day) return std::nullopt;
  const auto number = std::chrono::sys_days(*day).time_since_epoch().count();
  if (number < 0 || number > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  return static_cast<std::uint16_t>(number);
}

}  // namespace

std::vector<std::uint8_t> SourceTag::encode() const {
  const auto day = number_of(fetched_on);
  std::vector<std::uint8_t> bytes(day ? longest : day_at);
  const std::span<std::uint8_t> all(bytes);
  all[0] = day ? fetched_earlier : fetched_that_day;
  put(all.subspan(size_at, number_size), size);
  put(all.subspan(modified_at, number_size), static_cast<std::uint64_t>(modified.count()));
  std::ranges::copy(sum.bytes, all.subspan(sum_at).begin());
  if (day) put(all.subspan(day_at, day_size), *day);
  return bytes;
}

std::optional<SourceTag> SourceTag::decode(std::span<const std::uint8_t> bytes) {
  const bool is_earlier = bytes.size() == longest && bytes[0] == fetched_earlier;
  if (!is_earlier && (bytes.size() != day_at || bytes[0] != fetched_that_day)) return std::nullopt;
  SourceTag tag;
  tag.size = get(bytes.subspan(size_at, number_size));
  tag.modified =
      std::chrono::nanoseconds(static_cast<std::int64_t>(get(bytes.subspan(modified_at, number_size))));
  std::ranges::copy(bytes.subspan(sum_at, tag.sum.bytes.size()), tag.sum.bytes.begin());
  if (is_earlier) {
    const std::chrono::days day(get(bytes.subspan(day_at, day_size)));
    tag.fetched_on = std::chrono::year_month_day(std::chrono::sys_days(day));
  }
  return tag;
}

std::optional<SourceTag> read_tag(int file) {
  std::array<std::uint8_t, longest + 1> bytes{};  // one more, so that a longer value shows
  const ssize_t length = ::fgetxattr(file, attribute, bytes.data(), bytes.size());
  if (length < 0) return std::nullopt;
  return SourceTag::decode(std::span(bytes).first(static_cast<std::size_t>(length)));
}

void write_tag(int file, const SourceTag& tag) {
  const std::vector<std::uint8_t> bytes = tag.encode();
  static_cast<void>(::fsetxattr(file, attribute, bytes.data(), bytes.size(), 0));
}

}  // namespace peerstage::peers::staging
