#include "daemon/utc.h"

#include <array>
#include <cstdio>

namespace peerstage::daemon {
namespace {

using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

/// The number that these digits are; absent when there is anything else among them.
std::optional<unsigned> digits(std::string_view text) {
  unsigned number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    number = number * 10 + static_cast<unsigned>(digit - '0');
  }
  return number;
}

/// A number of exactly so many digits at `offset`, below `limit`.
std::optional<unsigned> field(std::string_view text, std::size_t offset, std::size_t length, unsigned limit) {
  const auto number = digits(text.substr(offset, length));
  return number && *number < limit ? number : std::nullopt;
}

/// Nanoseconds since 1970 in 64 bits reach from 1677 to 2262.
bool clock_can_hold(year_month_day date) {
  return date.year() >= std::chrono::year(1678) && date.year() <= std::chrono::year(2261);
}

}  // namespace

std::string iso_date(year_month_day date) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

std::string utc(std::chrono::system_clock::time_point when) {
  const auto day = floor<std::chrono::days>(when);
  const std::chrono::hh_mm_ss time(floor<seconds>(when - day));
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "T%02d:%02d:%02dZ", static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return iso_date(year_month_day(day)) + text.data();
}

std::string compact_utc(std::chrono::system_clock::time_point when) {
  std::string text = utc(when);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::optional<year_month_day> parse_iso_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = field(text, 0, 4, 10'000);
  const auto month = field(text, 5, 2, 13);
  const auto day = field(text, 8, 2, 32);
  if (!year || !month || !day) return std::nullopt;
  const year_month_day date(std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                            std::chrono::day(*day));
  return date.ok() && clock_can_hold(date) ? std::optional(date) : std::nullopt;
}

std::optional<std::chrono::system_clock::time_point> parse_utc(std::string_view text) {
  if (text.size() != 20 || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != 'Z')
    return std::nullopt;
  const auto date = parse_iso_date(text.substr(0, 10));
  const auto hours = field(text, 11, 2, 24);
  const auto minutes = field(text, 14, 2, 60);
  const auto second = field(text, 17, 2, 60);
  if (!date || !hours || !minutes || !second) return std::nullopt;
  return sys_days(*date) + std::chrono::hours(*hours) + std::chrono::minutes(*minutes) + seconds(*second);
}

}  // namespace peerstage::daemon
