#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace peerstage::fuzz {

/// Decisions that are read off an input from its front. When it is used up every number is 0, so that 0
/// should be what is usual.
class Choices {
 public:
  explicit Choices(std::string_view input) : rest_(input) {}

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }
  bool flag() { return byte() % 2 == 1; }
  /// Of so many bytes, at most 8.
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char c : take(bytes)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  /// From 0 on, below `bound`.
  std::size_t below(std::size_t bound) {
    if (bound < 2) return 0;
    return static_cast<std::size_t>(number(bound > 256 ? 3 : 1)) % bound;
  }
  /// Up to a newline, which goes as well.
  std::string_view line() {
    const std::string_view taken = take(std::min(rest_.find('\n'), rest_.size()));
    take(1);
    return taken;
  }
  /// A length of one byte, and so much.
  std::string text() { return std::string(take(byte())); }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

}  // namespace peerstage::fuzz
