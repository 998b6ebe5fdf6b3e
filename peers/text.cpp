#include "peers/text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace peerstage::peers {
namespace {

/// The first character of a text: `length` bytes that are one well-formed UTF-8 sequence (RFC 3629), or one
/// byte that is not the start of any.
struct Character {
  std::size_t length = 1;
  std::optional<std::uint32_t> code_point;
};

std::uint32_t byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

Character multibyte(std::string_view text, std::size_t length, std::uint32_t head, std::uint32_t smallest) {
  if (text.size() < length) return {};
  std::uint32_t code_point = head;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0U) != 0x80U) return {};
    code_point = code_point << 6U | (byte_at(text, i) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < smallest || code_point > 0x10FFFF || surrogate) return {};
  return {length, code_point};
}

Character first_character(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  if (lead < 0x80) return {1, lead};
  if ((lead & 0xE0U) == 0xC0) return multibyte(text, 2, lead & 0x1FU, 0x80);
  if ((lead & 0xF0U) == 0xE0) return multibyte(text, 3, lead & 0x0FU, 0x800);
  if ((lead & 0xF8U) == 0xF0) return multibyte(text, 4, lead & 0x07U, 0x10000);
  return {};
}

struct Range {
  std::uint32_t first, last;
};

/// What acts on a terminal, changes the direction or the lines of a text, or cannot be seen. The joiners
/// U+200C and U+200D are not among them: honest names need them.
constexpr std::array<Range, 11> not_shown{{
    {0x00, 0x1F},        // C0
    {0x7F, 0x9F},        // DEL, C1
    {0x061C, 0x061C},    // Arabic letter mark
    {0x180E, 0x180E},    // Mongolian vowel separator
    {0x200B, 0x200B},    // zero width space
    {0x200E, 0x200F},    // left-to-right and right-to-left mark
    {0x2028, 0x202E},    // line and paragraph separator, embeddings and overrides
    {0x2060, 0x206F},    // word joiner, invisible operators, isolates
    {0xFEFF, 0xFEFF},    // byte order mark
    {0xFFF9, 0xFFFB},    // interlinear annotation
    {0xE0000, 0xE007F},  // tags
}};

bool may_be_shown(std::uint32_t code_point) {
  return std::none_of(not_shown.begin(), not_shown.end(), [code_point](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

void append_escaped(std::string& text, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "\\x";
    text += digits[byte >> 4U];
    text += digits[byte & 0xFU];
  }
}

std::string shown(std::string_view bytes, const Character& character) {
  const std::string_view own = bytes.substr(0, character.length);
  if (own == "\\") return "\\\\";
  if (character.code_point && may_be_shown(*character.code_point)) return std::string(own);
  std::string text;
  append_escaped(text, own);
  return text;
}

/// What is shown as it is, up to the first byte that has to be looked at: of most names everything.
std::string_view plain_beginning(std::string_view bytes) {
  const auto end =
      std::find_if(bytes.begin(), bytes.end(), [](char c) { return c < ' ' || c > '~' || c == '\\'; });
  return {bytes.begin(), end};
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (;;) {
    const std::string_view plain = plain_beginning(bytes);
    text += plain;
    bytes.remove_prefix(plain.size());
    if (bytes.empty()) return text;
    const Character character = first_character(bytes);
    text += shown(bytes, character);
    bytes.remove_prefix(character.length);
  }
}

std::string printable(std::string_view bytes, std::size_t limit) {
  std::string text;
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    const std::string next = shown(bytes, character);
    if (text.size() + next.size() > limit)
      return text + "… (" + std::to_string(bytes.size()) + " bytes more)";
    text += next;
    bytes.remove_prefix(character.length);
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view thing) {
  return std::to_string(number) + " " + std::string(thing) + (number == 1 ? "" : "s");
}

}  // namespace peerstage::peers
