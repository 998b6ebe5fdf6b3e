#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace peerstage::daemon {

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// Where people look: a terminal, or whatever standard output or standard error was sent to. Log lines and
/// the live progress share one screen, so that neither tears the other.
///
/// Never throws and hardly ever waits: a reader that takes nothing for `patience` loses lines, and is told so
/// when it reads again. The program must ignore SIGPIPE. Not for several threads.
class Screen {
 public:
  /// Does not own the descriptor.
  explicit Screen(int descriptor);

  /// A terminal on which live lines can be drawn.
  bool is_terminal() const { return terminal_; }
  int descriptor() const { return descriptor_; }
  /// As it is now; 80 by 24 where nobody knows.
  ScreenSize size() const;

  /// A line that stays, above the live ones. Printable text without a newline.
  void line(std::string_view text) noexcept;
  /// Lines that stay until the next call replaces them; none: removes them. They must fit the width of the
  /// terminal. Ignored where there is no terminal.
  void live(std::vector<std::string> lines) noexcept;

 private:
  enum class Wait { patiently, not_at_all };
  bool writable(Wait wait) const;
  bool write(std::string_view text);
  std::string erased() const;
  std::string drawn() const;

  int descriptor_;
  bool terminal_;
  std::vector<std::string> live_;
  bool stuck_ = false;
  std::size_t lost_lines_ = 0;
};

}  // namespace peerstage::daemon
