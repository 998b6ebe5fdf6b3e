#include "daemon/columns.h"

#include <algorithm>
#include <array>

#include "config/utf8.h"

namespace peerstage::daemon {
namespace {

struct Range {
  char32_t first, last;
};

/// The blocks that matter of Unicode's EastAsianWidth.txt, classes W and F.
constexpr std::array<Range, 13> wide{{{0x1100, 0x115F},
                                      {0x2E80, 0x303E},
                                      {0x3041, 0xA4CF},
                                      {0xA960, 0xA97C},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE30, 0xFE6F},
                                      {0xFF00, 0xFF60},
                                      {0xFFE0, 0xFFE6},
                                      {0x1F300, 0x1F64F},
                                      {0x1F680, 0x1F6FF},
                                      {0x1F900, 0x1FAFF},
                                      {0x20000, 0x3FFFD}}};

/// Combining marks of the common scripts, joiners and variation selectors.
constexpr std::array<Range, 8> narrowest{{{0x0300, 0x036F},
                                          {0x0483, 0x0489},
                                          {0x0591, 0x05BD},
                                          {0x064B, 0x065F},
                                          {0x1AB0, 0x1AFF},
                                          {0x200B, 0x200D},
                                          {0x20D0, 0x20FF},
                                          {0xFE00, 0xFE0F}}};

template <std::size_t size>
bool is_in(const std::array<Range, size>& ranges, char32_t character) {
  return std::any_of(ranges.begin(), ranges.end(), [character](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

struct Character {
  std::size_t bytes, columns;
};

Character character_at(std::string_view text, std::size_t offset) {
  if (static_cast<unsigned char>(text[offset]) < 0x80) return {1, 1};
  const auto point = config::decode_utf8(text, offset);
  if (!point) return {1, 1};
  return {point->bytes, is_in(narrowest, point->value) ? 0U : is_in(wide, point->value) ? 2U : 1U};
}

/// How many bytes from the start fit.
std::size_t fitting(std::string_view text, std::size_t columns) {
  std::size_t offset = 0;
  for (std::size_t used = 0; offset < text.size();) {
    const Character next = character_at(text, offset);
    if (used + next.columns > columns) break;
    used += next.columns;
    offset += next.bytes;
  }
  return offset;
}

/// Where to break a text that does not fit: behind the last blank that leaves it short enough.
std::size_t break_at(std::string_view text, std::size_t columns) {
  const std::size_t most = fitting(text, columns);
  if (text[most] == ' ') return most;
  const std::size_t blank = text.substr(0, most).rfind(' ');
  if (blank != std::string_view::npos && blank > 0) return blank;
  return std::max(most, character_at(text, 0).bytes);  // something has to go on each line
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const Character next = character_at(text, offset);
    columns += next.columns;
    offset += next.bytes;
  }
  return columns;
}

std::string cut(std::string_view text, std::size_t columns) {
  if (fitting(text, columns) == text.size()) return std::string(text);
  if (columns == 0) return {};
  return std::string(text.substr(0, fitting(text, columns - 1))) + "…";
}

std::string padded(std::string_view text, std::size_t columns) {
  const std::size_t width = columns_of(text);
  return std::string(text) + std::string(columns > width ? columns - width : 0, ' ');
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t lines) {
  std::vector<std::string> result;
  while (fitting(text, columns) < text.size() && result.size() + 1 < lines) {
    const std::size_t end = break_at(text, columns);
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  }
  if (!text.empty()) result.push_back(cut(text, columns));
  return result;
}

}  // namespace peerstage::daemon
