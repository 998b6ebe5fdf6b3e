#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

/// UTF-8, and the two classes of characters that Cedar Backup's numbers and lists are read with.
namespace peerstage::config {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  ///< how many it takes in UTF-8
};

/// The character at `offset`; absent: these bytes are not UTF-8 (overlong forms, surrogates and values above
/// U+10FFFF included). `offset` is inside the text.
std::optional<CodePoint> decode_utf8(std::string_view text, std::size_t offset);

/// White space as Python's str.strip() knows it.
bool is_space(char32_t character);

/// The value of a decimal digit of any script (Unicode category Nd), as Python's int() reads it.
std::optional<unsigned> digit_value(char32_t character);

/// Without white space at both ends. The text is valid UTF-8.
std::string_view strip(std::string_view text);

}  // namespace peerstage::config
