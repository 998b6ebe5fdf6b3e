#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace peerstage::peers {

/// Calls `work(i)` once for each i below `count`, from the calling thread and others, `threads` in all. It
/// may not throw. Returns when all of it is done.
template <typename Work>
void in_parallel(std::size_t count, std::size_t threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  const auto take_turns = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(count, threads); ++i) others.emplace_back(take_turns);
  take_turns();
}

}  // namespace peerstage::peers
