#include "config/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "config/python_pattern.h"
#include "config/utf8.h"

namespace peerstage::config {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z') || is_digit(c);
}

/// Cedar Backup tests names with a `$`, which lets one final newline pass.
std::string_view without_final_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

/// Digits of any script as ASCII, everything else as it is.
std::string with_ascii_digits(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto character = decode_utf8(text, i);
    if (!character) break;
    if (const auto digit = digit_value(character->value)) {
      result += static_cast<char>('0' + *digit);
    } else {
      result += text.substr(i, character->bytes);
    }
    i += character->bytes;
  }
  return result;
}

/// Without the underscores, which stand between two digits only; absent if one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result += text[i];
    } else if (i == 0 || i + 1 == text.size() || !is_digit(text[i - 1]) || !is_digit(text[i + 1])) {
      return std::nullopt;
    }
  }
  return result;
}

bool is_identifier(std::string_view text) {
  return !text.empty() && !is_digit(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find(separator, start);
    if (end == std::string_view::npos) {
      parts.push_back(text.substr(start));
      return parts;
    }
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

bool is_digits(std::string_view text) {
  const std::string digits = with_ascii_digits(text);
  return !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit);
}

/// `IO...Services`, or that and `/` with a number.
bool is_io_services(std::string_view id) {
  if (!id.starts_with("IO")) return false;
  constexpr std::string_view end = "Services";
  const std::size_t slash = id.rfind('/');
  if (slash != std::string_view::npos && is_digits(id.substr(slash + 1))) id = id.substr(0, slash);
  return id.size() >= 2 + end.size() && id.ends_with(end) && id.find('\n') == std::string_view::npos;
}

/// The number at the beginning of a text, which is moved behind it.
std::uint64_t take_number(std::string_view& text, const char* expected) {
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) throw BadValue("is too large");
  if (error != std::errc()) throw BadValue(expected);
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

bool is_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
  });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

}  // namespace

std::string quoted(const std::string& text) {
  constexpr std::size_t limit = 80;
  constexpr std::string_view hexadecimal = "0123456789abcdef";
  std::string result = "\"";
  for (std::size_t i = 0; i < text.size();) {
    if (i >= limit) return result + "…\"";
    const CodePoint character = decode_utf8(text, i).value_or(CodePoint{0, 1});
    const char32_t c = character.value;
    if (c < 0x20 || (c >= 0x7F && c < 0xA0)) {
      result += std::string("\\x") + hexadecimal[(c >> 4U) & 0xFU] + hexadecimal[c & 0xFU];
    } else {
      result += text.substr(i, character.bytes);
    }
    i += character.bytes;
  }
  return result + "\"";
}

std::string as_text(const std::string& text) {
  return text;
}

std::int64_t as_integer(const std::string& text) {
  constexpr std::size_t python_limit = 4300;  // sys.int_info.default_max_str_digits
  std::string digits = with_ascii_digits(strip(text));
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const auto plain = without_underscores(digits);
  if (!plain || plain->empty() || !std::all_of(plain->begin(), plain->end(), is_digit)) {
    throw BadValue("must be a whole number");
  }
  if (plain->size() > python_limit) throw BadValue("is too large");
  const std::string number = (negative ? "-" : "") + *plain;
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  return negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

std::int64_t as_count(const std::string& text) {
  const std::int64_t value = as_integer(text);
  if (value < 0) throw BadValue("must be a whole number, 0 or more");
  return value;
}

std::int64_t as_positive(const std::string& text) {
  const std::int64_t value = as_integer(text);
  if (value < 1) throw BadValue("must be a whole number, 1 or more");
  return value;
}

bool as_boolean(const std::string& text) {
  if (text == "Y" || text == "y") return true;
  if (text == "N" || text == "n") return false;
  throw BadValue("must be Y or N, with no blanks around it");
}

std::string as_absolute_path(const std::string& text) {
  if (!text.starts_with('/')) throw BadValue("must be an absolute path: its first character is a \"/\"");
  return text;
}

std::string as_action_name(const std::string& text) {
  const std::string_view name = without_final_newline(text);
  const bool valid = std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || is_digit(c); });
  if (!valid) throw BadValue("must be the name of an action: lower-case letters and digits only");
  return text;
}

std::vector<std::string> as_action_names(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view name = strip(part);
    if (!name.empty()) names.push_back(as_action_name(std::string(name)));
  }
  return names;
}

std::string as_python_module(const std::string& text) {
  for (const std::string_view part : split(without_final_newline(text), '.')) {
    if (!is_identifier(part))
      throw BadValue("must be the name of a Python module, e.g. CedarBackup3.extend.mysql");
  }
  return text;
}

std::string as_python_identifier(const std::string& text) {
  if (!is_identifier(without_final_newline(text))) throw BadValue("must be the name of a Python function");
  return text;
}

std::string as_scsi_id(const std::string& text) {
  const std::string_view id = strip(text);
  const std::size_t colon = id.rfind(':');
  const std::string_view numbers = colon == std::string_view::npos ? id : id.substr(colon + 1);
  const auto parts = split(numbers, ',');
  const bool is_triple =
      parts.size() == 3 &&
      std::all_of(parts.begin(), parts.end(), [](std::string_view part) { return is_digits(strip(part)); });
  if (!is_triple && !is_io_services(id)) throw BadValue(R"(must be a SCSI id: "1,6,2" or "METHOD:1,6,2")");
  return text;
}

std::string as_blanking_factor(const std::string& text) {
  const char* const expected = "must be a number, 0 or more";
  std::string number = without_underscores(with_ascii_digits(strip(text))).value_or("");
  const bool signed_twice =
      number.size() > 1 && (number[1] == '+' || number[1] == '-') && !is_digit(number[0]);
  if (number.starts_with('+')) number.erase(0, 1);
  if (signed_twice || number.find('(') != std::string::npos) throw BadValue(expected);
  double value = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const bool whole = stop == number.data() + number.size() && error != std::errc::invalid_argument;
  const bool negative = number.starts_with('-') && (value < 0 || error == std::errc::result_out_of_range);
  if (!whole || negative) throw BadValue(expected);
  return text;
}

std::string as_pattern(const std::string& text) {
  if (const auto fault = python_pattern_fault(text))
    throw BadValue("is no valid regular expression: " + *fault);
  return text;
}

std::chrono::milliseconds as_duration(const std::string& text) {
  const char* const expected = "must be a whole number with a unit: 500ms, 30s, 10m, 4h or 2d";
  struct Unit {
    std::string_view name;
    std::uint64_t milliseconds;
  };
  constexpr Unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  std::string_view rest = text;
  const std::uint64_t number = take_number(rest, expected);
  if (number == 0 && rest.empty()) return std::chrono::milliseconds(0);
  for (const Unit& unit : units) {
    if (rest != unit.name) continue;
    constexpr std::uint64_t longest = 86'400'000ULL * 36'500;
    if (number > longest / unit.milliseconds) throw BadValue("is too long");
    return std::chrono::milliseconds(number * unit.milliseconds);
  }
  throw BadValue(expected);
}

ByteCount as_size(const std::string& text) {
  const char* const expected = "must be a whole number of bytes, or one with KB, MB, GB or TB";
  constexpr std::string_view units[] = {"", "KB", "MB", "GB", "TB"};
  std::string_view rest = text;
  const std::uint64_t number = take_number(rest, expected);
  if (rest.size() > 1 && rest.starts_with(' ')) rest.remove_prefix(1);
  unsigned shift = 0;
  for (const std::string_view unit : units) {
    if (rest == unit) {
      if (number > (std::numeric_limits<std::uint64_t>::max() >> shift)) throw BadValue("is too large");
      return {number << shift};
    }
    shift += 10;
  }
  throw BadValue(expected);
}

MinimumFree as_minimum_free(const std::string& text) {
  if (!text.ends_with('%')) return as_size(text);
  double percent = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto [stop, error] = std::from_chars(text.data(), end, percent, std::chars_format::fixed);
  if (error != std::errc() || stop != end || !(percent >= 0 && percent < 100) || std::signbit(percent)) {
    throw BadValue("must be a percentage from 0% to below 100%, or a size");
  }
  return percent;
}

FileMode as_file_mode(const std::string& text) {
  unsigned bits = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, bits, 8);
  if (error != std::errc() || stop != end || bits > 0777) {
    throw BadValue("must be an octal mode from 0 to 777, e.g. 640");
  }
  return {bits};
}

Port as_port(const std::string& text) {
  return {static_cast<std::uint16_t>(AsNumber{1, 65535}(text))};
}

Sudo as_sudo(const std::string& text) {
  static const AsOneOf<Sudo> words{{{"never", Sudo::never}, {"passwordless", Sudo::passwordless}}};
  return words(text);
}

std::string as_peer_name(const std::string& text) {
  if (!is_name(text)) {
    throw BadValue(
        R"(must begin with a letter or digit and consist of letters, digits, ".", "_" and "-" (A to Z))");
  }
  if (text.size() > 255) throw BadValue("must not be longer than 255 characters");
  if (text.starts_with("cback."))
    throw BadValue("must not begin with \"cback.\", as the names of indicators do");
  return text;
}

std::string as_group_name(const std::string& text) {
  if (!is_name(text)) {
    throw BadValue(
        R"(must begin with a letter or digit and consist of letters, digits, ".", "_" and "-" (A to Z))");
  }
  return text;
}

std::string as_address(const std::string& text) {
  const bool valid = (is_alphanumeric(text.front()) || text.front() == ':') &&
                     std::all_of(text.begin(), text.end(), [](char c) {
                       return is_alphanumeric(c) || c == '.' || c == '_' || c == '-' || c == ':' || c == '%';
                     });
  if (!valid) throw BadValue("must be a host name or an IP address, without user and port");
  return text;
}

std::string as_user_path(const std::string& text) {
  if (!text.starts_with('/') && !text.starts_with('~')) {
    throw BadValue("must be an absolute path, or one that begins with \"~/\"");
  }
  if (has_control_character(text)) throw BadValue("must not hold control characters");
  return text;
}

std::string as_config_file(const std::string& text) {
  return text == "none" ? text : as_user_path(text);
}

std::string as_algorithms(const std::string& text) {
  const bool valid = std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("@.-_,+^").find(c) != std::string_view::npos;
  });
  if (!valid) throw BadValue("must be names of algorithms separated by commas, without blanks");
  return text;
}

unsigned AsNumber::operator()(const std::string& text) const {
  const std::string expected =
      "must be a whole number from " + std::to_string(first) + " to " + std::to_string(last);
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < first || value > last) throw BadValue(expected);
  return value;
}

std::chrono::milliseconds AsDuration::operator()(const std::string& text) const {
  const std::chrono::milliseconds value = as_duration(text);
  const auto words = [](std::chrono::milliseconds duration) {
    return duration.count() % 1000 != 0 ? std::to_string(duration.count()) + "ms"
                                        : std::to_string(duration.count() / 1000) + "s";
  };
  if (value < first || value > last) throw BadValue("must be from " + words(first) + " to " + words(last));
  return value;
}

}  // namespace peerstage::config
