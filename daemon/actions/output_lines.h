#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace peerstage::daemon {

/// Makes lines of what a program prints, as it comes: printable, without their newline, one that is too long
/// in several. The last few are kept.
class OutputLines {
 public:
  static constexpr std::size_t kept = 10;
  static constexpr std::size_t longest = 4096;  ///< bytes

  /// `each` is called with every line; absent: they are only kept.
  explicit OutputLines(std::function<void(const std::string&)> each) : each_(std::move(each)) {}

  void hear(std::string_view bytes);
  /// What stands after the last newline is a line, too.
  void finish();
  const std::deque<std::string>& last() const { return last_; }

 private:
  void end_line();

  std::function<void(const std::string&)> each_;
  std::string unfinished_;
  std::deque<std::string> last_;
};

}  // namespace peerstage::daemon
