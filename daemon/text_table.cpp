#include "daemon/text_table.h"

#include <algorithm>

#include "daemon/columns.h"

namespace peerstage::daemon {

TextTable::TextTable(const std::vector<Column>& columns) {
  std::vector<std::string> titles;
  for (const Column& column : columns) {
    titles.push_back(column.title);
    aligns_.push_back(column.align);
  }
  add(std::move(titles));
}

std::vector<std::size_t> TextTable::widths() const {
  std::vector<std::size_t> widths(aligns_.size());
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], columns_of(row[column]));
  }
  return widths;
}

std::string TextTable::text() const {
  const std::vector<std::size_t> wide = widths();
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string padding(wide[column] - columns_of(row[column]), ' ');
      if (column > 0) line += "  ";
      line += aligns_[column] == Align::left ? row[column] + padding : padding + row[column];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace peerstage::daemon
