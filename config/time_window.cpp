#include "config/time_window.h"

#include <bitset>
#include <string_view>

#include "config/values.h"

namespace peerstage::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr minutes a_day = hours(24);
const char* const expected = "must be two times of the day, such as 08:00-18:00 or 22:30-06:00";

minutes as_time(std::string_view text) {
  const auto digit = [&](std::size_t at) {
    if (text[at] < '0' || text[at] > '9') throw BadValue(expected);
    return text[at] - '0';
  };
  if (text.size() != 5 || text[2] != ':') throw BadValue(expected);
  const minutes minute(digit(3) * 10 + digit(4));
  const minutes time = hours(digit(0) * 10 + digit(1)) + minute;
  if (minute >= hours(1) || time > a_day) throw BadValue(expected);
  return time;
}

}  // namespace

TimeWindow as_time_window(const std::string& text) {
  const std::size_t middle = text.find('-');
  if (middle == std::string::npos) throw BadValue(expected);
  const std::string_view whole = text;
  const minutes begin = as_time(whole.substr(0, middle)), end = as_time(whole.substr(middle + 1));
  if (begin == a_day) throw BadValue("must not begin at 24:00; the next day begins at 00:00");
  if (begin == minutes(0) && end == a_day)
    throw BadValue("is the whole day, so that nothing could ever start");
  if (begin == end) throw BadValue("is empty: it ends when it begins");
  return {begin, end % a_day};
}

bool cover_whole_day(const std::vector<TimeWindow>& windows) {
  std::bitset<1440> covered;
  for (const TimeWindow& window : windows)
    for (minutes time = window.begin; time != window.end; time = (time + minutes(1)) % a_day)
      covered.set(static_cast<std::size_t>(time.count()));
  return covered.all();
}

}  // namespace peerstage::config
