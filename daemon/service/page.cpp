#include "daemon/service/page.h"

#include <algorithm>
#include <limits>

#include "daemon/columns.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t most_lines = 4;  // of a paragraph
constexpr std::size_t narrowest = 20;  // below that nothing can be read anyway

const char* escape_sequence(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "";
    case Tone::good:
      return "\x1b[32m";
    case Tone::busy:
      return "\x1b[36m";
    case Tone::doubtful:
      return "\x1b[33m";
    case Tone::bad:
      return "\x1b[31m";
    case Tone::heading:
      return "\x1b[1m";
  }
  return "";
}

std::vector<std::size_t> widths(const std::vector<Page::Row>& rows, std::size_t widest_first) {
  std::vector<std::size_t> result(rows.front().cells.size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      result[i] = std::max(result[i], columns_of(row.cells[i].text));
  result.front() = std::min(result.front(), widest_first);
  return result;
}

std::string placed(const Page::Cell& cell, std::size_t width) {
  const std::string text = cut(cell.text, width);
  if (cell.side == Page::Cell::Side::left) return padded(text, width);
  return std::string(width - columns_of(text), ' ') + text;
}

}  // namespace

std::string shown(std::string_view text) {
  const std::string escaped = peers::printable(text);
  std::string result;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    result += escaped[i];
    if (escaped.compare(i, 2, "\\\\") == 0) ++i;
  }
  return result;
}

std::string Page::painted(std::string_view text, Tone tone) const {
  if (colour_ == Colour::off || tone == Tone::plain) return std::string(text);
  return escape_sequence(tone) + std::string(text) + "\x1b[0m";
}

void Page::line(std::string_view text, Tone tone) {
  text_.append(painted(text, tone)).append("\n");
}

void Page::paragraph(std::string_view text, Tone tone, std::size_t indent) {
  const std::string blanks(indent, ' ');
  if (!columns_) return line(blanks + shown(text), tone);
  const std::size_t room = std::max(*columns_, narrowest) - std::min(indent, narrowest / 2);
  for (const auto& part : wrapped(shown(text), room, most_lines)) line(blanks + part, tone);
}

void Page::table(const std::vector<Row>& rows) {
  if (rows.empty()) return;
  const std::size_t whole =
      columns_ ? std::max(*columns_, narrowest) : std::numeric_limits<std::size_t>::max();
  const auto columns = widths(rows, columns_ ? whole / 3 : whole);
  for (const auto& each : rows) {
    row(each, columns);
    if (!each.below.empty()) paragraph(each.below, Tone::plain, gap);
  }
}

/// Colours take no room, so the cells are counted and cut before they are painted.
void Page::row(const Row& row, const std::vector<std::size_t>& widths) {
  std::size_t room = columns_ ? std::max(*columns_, narrowest) : std::numeric_limits<std::size_t>::max();
  std::string line;
  for (std::size_t i = 0; i < row.cells.size() && room > 0; ++i) {
    const std::string between(std::min(i == 0 ? 0 : gap, room), ' ');
    room -= between.size();
    const bool last = i + 1 == row.cells.size() && row.cells[i].side == Cell::Side::left;
    const std::string text = cut(last ? row.cells[i].text : placed(row.cells[i], widths[i]), room);
    room -= std::min(room, columns_of(text));
    line += between + painted(text, row.cells[i].tone);
  }
  text_ += line + "\n";
}

}  // namespace peerstage::daemon
