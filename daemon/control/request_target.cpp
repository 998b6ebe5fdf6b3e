#include "daemon/control/request_target.h"

#include <algorithm>
#include <cctype>

namespace peerstage::daemon {
namespace {

std::optional<unsigned> hexadecimal(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A' + 10);
  return std::nullopt;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hexadecimal(text[i + 1]);
    const auto low = hexadecimal(text[i + 2]);
    if (!high || !low) return std::nullopt;
    result += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  if (std::ranges::any_of(result, is_control)) return std::nullopt;
  return result;
}

/// Up to the separator; `rest` begins after it, and ends up empty after the last piece.
std::string_view next_piece(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return piece;
}

bool parse_path(std::string_view text, std::vector<std::string>& path) {
  while (!text.empty()) {
    const bool last_is_empty = text.back() == '/';
    const auto segment = decoded(next_piece(text, '/'));
    if (!segment || segment->empty() || (text.empty() && last_is_empty)) return false;
    path.push_back(*segment);
  }
  return true;
}

bool parse_query(std::string_view text, std::vector<std::pair<std::string, std::string>>& query) {
  while (!text.empty()) {
    std::string_view value = next_piece(text, '&');
    const auto name = decoded(next_piece(value, '='));
    const auto content = decoded(value);
    if (!name || name->empty() || !content) return false;
    query.emplace_back(*name, *content);
  }
  return true;
}

}  // namespace

std::optional<RequestTarget> parse_request_target(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  std::string_view rest = target.substr(1);
  const std::string_view path = next_piece(rest, '?');
  RequestTarget result;
  if (!parse_path(path, result.path) || !parse_query(rest, result.query)) return std::nullopt;
  return result;
}

std::string percent_encoded(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~')
      result += c;
    else
      result.append({'%', digits[byte / 16], digits[byte % 16]});
  }
  return result;
}

}  // namespace peerstage::daemon
