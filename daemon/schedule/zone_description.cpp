#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "daemon/schedule/zone_rules.h"

// The texts of tzset(3) and RFC 9636 section 3.3.1: "CET-1CEST,M3.5.0,M10.5.0/3".

namespace peerstage::daemon {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using std::chrono::year;

/// A name of the time, such as CEST, and what it is.
struct NamedTime {
  std::string name;
  seconds offset{0};  ///< local time minus UTC
};

/// A time of every year.
struct YearlyTime {
  enum class Form { day_without_leap_day, day, weekday_of_month };
  Form form = Form::day;
  unsigned day = 0;  ///< without leap day: from 1; day: from 0; weekday: Sunday is 0
  unsigned month = 0, week = 0;
  seconds time = hours(2);

  local_seconds in(year y) const {
    const local_days new_year(y / 1 / 1);
    switch (form) {
      case Form::day:
        return new_year + days(day) + time;
      case Form::day_without_leap_day:
        return new_year + days(day - 1) + days(y.is_leap() && day >= 60 ? 1 : 0) + time;
      case Form::weekday_of_month:
        break;
    }
    const std::chrono::weekday wanted(day);
    const auto any = y / static_cast<int>(month);
    return (week == 5 ? local_days(any / wanted[std::chrono::last]) : local_days(any / wanted[week])) + time;
  }
};

struct Summer {
  NamedTime time;
  YearlyTime begin, end;
};

struct Description {
  NamedTime standard;
  std::optional<Summer> summer;
};

/// Reads from the left; what does not fit ends it.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), rest_(text) {}

  Description read() {
    Description result;
    result.standard = {name(), -time(24)};
    if (rest_.empty()) return result;
    Summer& summer = result.summer.emplace();
    summer.time = {name(), result.standard.offset + hours(1)};
    if (!rest_.empty() && rest_.front() != ',') summer.time.offset = -time(24);
    // Where nothing is said, glibc takes the changes of the United States.
    if (rest_.empty()) rest_ = ",M3.2.0,M11.1.0";
    summer.begin = yearly_time();
    summer.end = yearly_time();
    if (!rest_.empty()) fail();
    return result;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::runtime_error(std::string(text_) + " is no description of a zone as in tzset(3)");
  }

  static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_sign(char c) { return c == '+' || c == '-'; }

  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail();
  }

  template <typename Belongs>
  std::string take_all(Belongs belongs) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    std::string taken(rest_.begin(), end);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string name() {
    const bool in_brackets = take('<');
    std::string result = in_brackets
                             ? take_all([](char c) { return is_letter(c) || is_digit(c) || is_sign(c); })
                             : take_all(is_letter);
    if (in_brackets) expect('>');
    if (result.size() < 3) fail();
    return result;
  }

  unsigned number(unsigned first, unsigned last) {
    const std::string digits = take_all(is_digit);
    if (digits.empty() || digits.size() > 3) fail();
    const auto value = static_cast<unsigned>(std::stoul(digits));
    if (value < first || value > last) fail();
    return value;
  }

  seconds time(unsigned most_hours) {
    const bool is_negative = take('-');
    if (!is_negative) take('+');
    seconds result = hours(number(0, most_hours));
    if (take(':')) result += minutes(number(0, 59));
    if (take(':')) result += seconds(number(0, 59));
    return is_negative ? -result : result;
  }

  YearlyTime yearly_time() {
    YearlyTime result;
    expect(',');
    if (take('J')) {
      result.form = YearlyTime::Form::day_without_leap_day;
      result.day = number(1, 365);
    } else if (take('M')) {
      result.form = YearlyTime::Form::weekday_of_month;
      result.month = number(1, 12);
      expect('.');
      result.week = number(1, 5);
      expect('.');
      result.day = number(0, 6);
    } else {
      result.day = number(0, 365);
    }
    constexpr unsigned a_week = 167;  // RFC 9636 section 3.3.1
    if (take('/')) result.time = time(a_week);
    return result;
  }

  std::string_view text_, rest_;
};

class OfDescription final : public Zone::Rules {
 public:
  explicit OfDescription(Description description) : description_(std::move(description)) {}

  Period period_at(sys_seconds when) const override {
    if (!description_.summer) return period(sys_seconds::min(), sys_seconds::max(), description_.standard);
    const std::vector<Change> changes = changes_around(when);
    const auto next = std::find_if(changes.begin(), changes.end(),
                                   [&](const Change& change) { return change.moment > when; });
    return period((next - 1)->moment, next->moment, *(next - 1)->to);
  }

 private:
  struct Change {
    sys_seconds moment;
    const NamedTime* to;
  };

  static Period period(sys_seconds begin, sys_seconds end, const NamedTime& time) {
    return {begin, end, time.offset, time.name};
  }

  /// In order. A summer that lasts all year ends when the next one begins, which then comes second.
  std::vector<Change> changes_around(sys_seconds when) const {
    const auto& [standard, summer] = description_;
    const year middle = std::chrono::year_month_day(std::chrono::floor<days>(when)).year();
    std::vector<Change> changes;
    for (year y = middle - std::chrono::years(2); y <= middle + std::chrono::years(2); ++y) {
      changes.push_back(
          {sys_seconds(summer->begin.in(y).time_since_epoch()) - standard.offset, &summer->time});
      changes.push_back({sys_seconds(summer->end.in(y).time_since_epoch()) - summer->time.offset, &standard});
    }
    std::stable_sort(changes.begin(), changes.end(),
                     [](const Change& one, const Change& other) { return one.moment < other.moment; });
    return changes;
  }

  Description description_;
};

}  // namespace

std::shared_ptr<const Zone::Rules> rules_of_description(const std::string& text) {
  return std::make_shared<OfDescription>(Reader(text).read());
}

}  // namespace peerstage::daemon
