#include "daemon/catalog/stored_values.h"

#include <algorithm>
#include <limits>

#include "daemon/utc.h"
#include "peers/staging/hash.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using peers::staging::Digest;

std::optional<unsigned> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a') + 10;
  return std::nullopt;
}

unsigned number_at(const std::string& text, std::size_t begin, std::size_t length) {
  unsigned number = 0;
  for (const char digit : text.substr(begin, length)) {
    if (digit < '0' || digit > '9') throw StrangeValue("\"" + text + "\" is no date");
    number = number * 10 + static_cast<unsigned>(digit - '0');
  }
  return number;
}

/// The byte of an escape, which begins behind its backslash; takes it away.
char unescaped(std::string_view& rest) {
  if (rest.starts_with('\\')) {
    rest.remove_prefix(1);
    return '\\';
  }
  if (rest.size() >= 3 && rest[0] == 'x') {
    const auto high = hex_digit(rest[1]);
    const auto low = hex_digit(rest[2]);
    rest.remove_prefix(3);
    if (high && low) return static_cast<char>(*high << 4U | *low);
  }
  throw StrangeValue("a text has an escape that we never write");
}

}  // namespace

long long stored_time(CatalogTime when) {
  return std::chrono::nanoseconds(when.time_since_epoch()).count();
}

CatalogTime time_of(long long stored) {
  return CatalogTime(std::chrono::duration_cast<CatalogTime::duration>(std::chrono::nanoseconds(stored)));
}

std::string stored_date(std::chrono::year_month_day date) {
  return iso_date(date);
}

std::chrono::year_month_day date_of(const std::string& stored) {
  if (stored.size() != 10 || stored[4] != '-' || stored[7] != '-')
    throw StrangeValue("\"" + stored + "\" is no date");
  return std::chrono::year(static_cast<int>(number_at(stored, 0, 4))) /
         std::chrono::month(number_at(stored, 5, 2)) / std::chrono::day(number_at(stored, 8, 2));
}

std::string stored_bytes(std::string_view bytes) {
  return peers::printable(bytes);
}

std::string bytes_of(std::string_view stored) {
  std::string bytes;
  bytes.reserve(stored.size());
  while (!stored.empty()) {
    const char next = stored.front();
    stored.remove_prefix(1);
    bytes += next == '\\' ? unescaped(stored) : next;
  }
  return bytes;
}

std::string stored_sum(const std::array<std::uint8_t, 32>& sum) {
  return Digest{sum}.hex();
}

std::array<std::uint8_t, 32> sum_of(const std::string& stored) {
  const auto sum = Digest::from_hex(stored);
  if (!sum) throw StrangeValue("\"" + stored + "\" is no sum");
  return sum->bytes;
}

long long stored_number(std::uint64_t number) {
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<long long>::max());
  return static_cast<long long>(std::min(number, largest));
}

std::uint64_t number_of(long long stored) {
  return static_cast<std::uint64_t>(std::max(stored, 0LL));
}

std::optional<peers::Failure> failure_of(const Nullable<std::string>& kind,
                                         const Nullable<std::string>& message) {
  using peers::FailureKind;
  if (!kind) return std::nullopt;
  return peers::Failure{
      one_of(kind.value, {FailureKind::not_ready, FailureKind::transient, FailureKind::permanent,
                          FailureKind::hostile, FailureKind::cancelled}),
      message.value};
}

}  // namespace peerstage::daemon
