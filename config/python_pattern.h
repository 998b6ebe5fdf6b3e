#pragma once

#include <memory>
#include <optional>
#include <string>

namespace peerstage::config {

/// Why Python's `re` does not compile a pattern, in a few words; nothing if it does (Python 3.11, which
/// Debian 12 has). The pattern is valid UTF-8.
std::optional<std::string> python_pattern_fault(const std::string& pattern);

/// An exclusion pattern of the collect section. It excludes a path as in Cedar Backup, which writes `^`
/// before and `$` behind it (so that "x|y" excludes what begins with x, and y) and has Python's re.match look
/// at the absolute path. A byte that is not UTF-8 is to it what it is to Python: one character, U+DC00 and
/// its value. May be used from one thread at a time.
class ExclusionPattern {
 public:
  /// Throws std::invalid_argument, in a few words, for a pattern that has a fault, and for one with \N{...}:
  /// nobody here knows the names of characters. Flags for the whole pattern, "(?i)...", work; Cedar Backup
  /// accepts them and then fails.
  explicit ExclusionPattern(const std::string& pattern);
  ~ExclusionPattern();
  ExclusionPattern(ExclusionPattern&& other) noexcept;
  ExclusionPattern& operator=(ExclusionPattern&& other) noexcept;

  /// No for a path on which the pattern tries too many ways: rather too much is collected than too little.
  bool excludes(const std::string& path) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace peerstage::config
