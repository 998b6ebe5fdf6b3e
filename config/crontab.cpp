#include "config/crontab.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "config/values.h"

namespace peerstage::config {
namespace {

constexpr std::string_view blanks = " \t\r\n";

struct Field {
  std::string_view name;
  unsigned first, last;
  std::string_view words;  ///< three letters each, from `first` on
};

constexpr Field minute{"minute", 0, 59, ""};
constexpr Field hour{"hour", 0, 23, ""};
constexpr Field day{"day of the month", 1, 31, ""};
constexpr Field month{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr Field weekday{"day of the week", 0, 7, "sunmontuewedthufrisat"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> result;
  while (true) {
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    text.remove_prefix(begin);
    if (text.empty()) return result;
    result.push_back(text.substr(0, text.find_first_of(blanks)));
    text.remove_prefix(result.back().size());
  }
}

/// What stands before a separator, and what behind it.
struct Halves {
  std::string_view left, right;
  bool is_divided = false;
};

Halves halves(std::string_view text, char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1), true};
}

/// Reads one field. The bits of the result are the numbers that match.
class FieldReader {
 public:
  explicit FieldReader(const Field& field) : field_(field) {}

  std::bitset<64> read(std::string_view text) {
    std::bitset<64> numbers;
    for (bool more = true; more;) {
      const Halves list = halves(text, ',');
      numbers |= item(list.left);
      text = list.right;
      more = list.is_divided;
    }
    return numbers;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw BadValue("is wrong in its field \"" + std::string(field_.name) + "\": " + why);
  }
  static std::string shown(std::string_view text) { return quoted(std::string(text)); }

  std::bitset<64> item(std::string_view text) const {
    const Halves parts = halves(text, '/');
    const auto [first, last] = range(parts.left);
    if (parts.is_divided && parts.left != "*" && parts.left.find('-') == std::string_view::npos) {
      fail("a step needs a range before it, such as " + std::to_string(first) + "-" +
           std::to_string(field_.last) + "/" + std::string(parts.right));
    }
    const unsigned by = parts.is_divided ? step(parts.right) : 1;
    std::bitset<64> numbers;
    for (unsigned n = first; n <= last; n += by) numbers.set(n);
    return numbers;
  }

  std::pair<unsigned, unsigned> range(std::string_view text) const {
    // The weekday 7 is the Sunday that 0 is already.
    if (text == "*") return {field_.first, field_.words.starts_with("sun") ? 6 : field_.last};
    const Halves parts = halves(text, '-');
    const unsigned first = number(parts.left);
    if (!parts.is_divided) return {first, first};
    unsigned last = number(parts.right);
    if (lower(parts.right) == "sun" && first > 0) last = 7;
    if (last < first) fail("the range " + shown(text) + " ends before it begins");
    return {first, last};
  }

  unsigned number(std::string_view text) const {
    const std::size_t word = text.size() == 3 ? field_.words.find(lower(text)) : std::string_view::npos;
    if (word != std::string_view::npos && word % 3 == 0) {
      return static_cast<unsigned>(word / 3) + field_.first;
    }
    const unsigned value = digits(text);
    if (value < field_.first || value > field_.last) fail_at(text);
    return value;
  }

  unsigned step(std::string_view text) const {
    const unsigned most = field_.last - field_.first + 1;
    const unsigned value = digits(text);
    if (value < 1 || value > most)
      fail("the step " + shown(text) + " is not from 1 to " + std::to_string(most));
    return value;
  }

  unsigned digits(std::string_view text) const {
    unsigned value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size()) fail_at(text);
    return value;
  }

  [[noreturn]] void fail_at(std::string_view text) const {
    const std::string word = field_.words.empty() ? "" : " and no name of three letters";
    fail(shown(text) + " is no number from " + std::to_string(field_.first) + " to " +
         std::to_string(field_.last) + word);
  }

  const Field& field_;
};

template <std::size_t Size>
void take(std::bitset<Size>& numbers, const Field& field, std::string_view text) {
  const std::bitset<64> found = FieldReader(field).read(text);
  for (std::size_t n = 0; n < Size; ++n) numbers[n] = found[n];
}

std::string replaced_word(const std::string& word) {
  static const std::map<std::string, std::string> meanings = {
      {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
      {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
      {"@annually", "0 0 1 1 *"}};
  if (word == "@reboot") throw BadValue("is not possible: a job runs at times of the clock, not at a start");
  const auto meaning = meanings.find(word);
  if (meaning != meanings.end()) return meaning->second;
  std::string all;
  for (const auto& [known, fields] : meanings) all += (all.empty() ? "" : ", ") + known;
  throw BadValue("must be one of " + all + ", or five fields as in crontab(5)");
}

/// Is there a day in any year? In 400 years every date is every weekday, the 29th of February too.
bool is_possible(const CrontabRule& rule) {
  if (rule.any_day_matches) return true;
  constexpr std::array<unsigned, 13> longest = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (unsigned m = 1; m <= 12; ++m)
    for (unsigned d = 1; d <= longest[m]; ++d)
      if (rule.months[m] && rule.days[d]) return true;
  return false;
}

}  // namespace

CrontabRule as_crontab_rule(const std::string& text) {
  CrontabRule rule;
  std::vector<std::string_view> fields = words(text);
  for (const std::string_view field : fields) rule.text.append(rule.text.empty() ? "" : " ").append(field);
  std::string replaced;
  if (fields.size() == 1 && fields[0].starts_with('@')) {
    replaced = replaced_word(std::string(fields[0]));
    fields = words(replaced);
  }
  if (fields.size() != 5) {
    throw BadValue("has " + std::to_string(fields.size()) +
                   " fields, but must have five: minute, hour, day of the month, month, day of the week");
  }
  take(rule.minutes, minute, fields[0]);
  take(rule.hours, hour, fields[1]);
  take(rule.days, day, fields[2]);
  take(rule.months, month, fields[3]);
  const std::bitset<64> weekdays = FieldReader(weekday).read(fields[4]);
  for (std::size_t n = 0; n < 7; ++n) rule.weekdays[n] = weekdays[n] || (n == 0 && weekdays[7]);
  rule.any_day_matches = !fields[2].starts_with('*') && !fields[4].starts_with('*');
  if (!is_possible(rule)) throw BadValue("never comes: none of its months has one of its days");
  return rule;
}

}  // namespace peerstage::config
