#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace peerstage::daemon {

enum class Colour { on, off };

/// What a text tells, as a colour (ECMA-48, SGR).
enum class Tone { plain, good, busy, doubtful, bad, heading };

/// Text for people with a width and perhaps colours. Whatever it is given becomes lines of valid UTF-8
/// without control characters; what is printable already stays as it is.
class Page {
 public:
  /// Without `columns` nothing is broken or cut: for pipes and files.
  Page(Colour colour, std::optional<std::size_t> columns) : colour_(colour), columns_(columns) {}

  /// A line, broken into at most so many where the page is not wide enough, all but the first indented.
  void paragraph(std::string_view text, Tone tone = Tone::plain, std::size_t indent = 0);
  /// A table: the first row is its head. Columns are as wide as they have to be, the first at most a third of
  /// the page; rows are cut at the page's edge.
  struct Cell {
    std::string text;
    enum class Side { left, right } side = Side::left;
    Tone tone = Tone::plain;
  };
  struct Row {
    std::vector<Cell> cells;
    std::string below;  ///< a paragraph under it; empty: none
  };
  void table(const std::vector<Row>& rows);
  void blank_line() { text_ += '\n'; }

  std::string take() { return std::move(text_); }

 private:
  void row(const Row& row, const std::vector<std::size_t>& widths);
  void line(std::string_view text, Tone tone);
  std::string painted(std::string_view text, Tone tone) const;

  Colour colour_;
  std::optional<std::size_t> columns_;
  std::string text_;
};

/// What a person may see of a text that should be printable already: as peers::printable, but a backslash
/// stays what it is.
std::string shown(std::string_view text);

}  // namespace peerstage::daemon
