#pragma once

#include <string>
#include <vector>

namespace peerstage::daemon {

enum class Align { left, right };

/// Columns for people, each as wide as its longest cell, two blanks between them. No blanks stand at the end
/// of a line.
class TextTable {
 public:
  struct Column {
    std::string title;
    Align align;
  };
  explicit TextTable(const std::vector<Column>& columns);

  /// As many cells as there are columns, printable text.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  /// The titles and all rows, a newline after each.
  std::string text() const;

 private:
  std::vector<std::size_t> widths() const;

  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace peerstage::daemon
