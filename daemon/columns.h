#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// Text that has to fit a number of columns on a terminal. All of it is valid UTF-8 on one line; bytes that
/// are not count a column each and are never taken apart from what they stand with.
namespace peerstage::daemon {

/// How many columns it takes: two for the wide characters of East Asia and for emoji, none for marks that
/// combine with the character before them.
std::size_t columns_of(std::string_view text);

/// Cut at a character, with "…" at the end of what was cut.
std::string cut(std::string_view text, std::size_t columns);

/// With blanks behind it, where it is narrower.
std::string padded(std::string_view text, std::size_t columns);

/// Broken at blanks into lines that fit; a word that is too long for a line is broken where it has to be.
/// What does not fit into `lines` (at least 1) is cut.
std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t lines);

}  // namespace peerstage::daemon
