#include "daemon/control/query.h"

#include <algorithm>
#include <charconv>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

/// The digits of a text that looks like `pattern`, in which 0 stands for a digit and everything else for
/// itself.
bool looks_like(std::string_view pattern, std::string_view text) {
  return std::ranges::equal(
      pattern, text, [](char wanted, char c) { return wanted == '0' ? c >= '0' && c <= '9' : c == wanted; });
}

int number(std::string_view text, std::size_t begin, std::size_t length) {
  int result = 0;
  std::from_chars(text.data() + begin, text.data() + begin + length, result);
  return result;
}

std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
  const std::chrono::year_month_day day{std::chrono::year(number(text, 0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(text, 5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(text, 8, 2)))};
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days(day);
}

}  // namespace

std::vector<std::string> Query::all(std::string_view name) {
  std::vector<std::string> values;
  for (const auto& part : parts_)
    if (part.first == name) values.push_back(part.second);
  std::erase_if(parts_, [name](const auto& part) { return part.first == name; });
  return values;
}

std::optional<std::string> Query::one(std::string_view name) {
  const auto values = all(name);
  if (values.size() > 1) throw BadQuery("'" + std::string(name) + "' may be given once");
  return values.empty() ? std::nullopt : std::optional(values.front());
}

void Query::expect_nothing_else() const {
  if (!parts_.empty())
    throw BadQuery("nobody knows '" + peers::printable(parts_.front().first, 60) + "' in this query");
}

std::optional<std::chrono::system_clock::time_point> parse_utc(std::string_view text) {
  using std::chrono::hours, std::chrono::minutes, std::chrono::seconds;
  const bool with_time = looks_like("0000-00-00T00:00:00Z", text);
  if (!with_time && !looks_like("0000-00-00", text)) return std::nullopt;
  const auto day = parse_day(text);
  if (!day || !with_time) return day;
  const int hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return *day + hours(hour) + minutes(minute) + seconds(second);
}

}  // namespace peerstage::daemon
