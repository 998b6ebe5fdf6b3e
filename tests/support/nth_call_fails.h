#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>

namespace peerstage::test {

enum class Failing { once, from_then_on };

/// Counts the system calls out of `calls` (SYS_... numbers) that the thread that made this makes afterwards,
/// and those of threads that it starts; lets the n-th (from 1) fail with `error_number`. Nothing fails any
/// more when this is gone. A second one cannot be made in the same process: for a forked child.
class NthCallFails {
 public:
  NthCallFails(const std::set<std::uint64_t>& calls, unsigned n, int error_number, Failing failing);
  ~NthCallFails();
  NthCallFails(const NthCallFails&) = delete;
  NthCallFails& operator=(const NthCallFails&) = delete;

  /// Was the n-th call made?
  bool happened() const;

  struct Rule;

 private:
  std::shared_ptr<Rule> rule_;
};

}  // namespace peerstage::test
