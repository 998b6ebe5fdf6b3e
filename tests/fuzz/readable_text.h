#pragma once

#include <algorithm>
#include <string_view>

#include "config/utf8.h"
#include "tests/fuzz/target.h"

namespace peerstage::fuzz {

inline bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto character = config::decode_utf8(text, at);
    if (!character) return false;
    at += character->bytes;
  }
  return true;
}

/// Whether the person who wrote a configuration may be told it: no C0 in it.
inline bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c >= 0 && c < ' '; });
}

/// Whether it may be printed on anybody's terminal: UTF-8 on one line, nothing in it that acts.
inline bool is_safe_line(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto character = config::decode_utf8(text, at);
    if (!character) return false;
    const char32_t value = character->value;
    const bool is_control = value < 0x20 || (value >= 0x7f && value <= 0x9f);
    const bool is_direction = value == 0x061c || value == 0x200e || value == 0x200f ||
                              (value >= 0x2028 && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069);
    if (is_control || is_direction) return false;
    at += character->bytes;
  }
  return true;
}

}  // namespace peerstage::fuzz
