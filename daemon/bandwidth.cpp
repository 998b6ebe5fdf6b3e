#include "daemon/bandwidth.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>

namespace peerstage::daemon {
namespace {

std::uint64_t upper_bound_of(config::ByteCount limit) {
  return limit.bytes == 0 ? std::numeric_limits<std::uint64_t>::max() : limit.bytes;
}

}  // namespace

std::vector<config::ByteCount> share_bandwidth(config::ByteCount total,
                                               const std::vector<config::ByteCount>& limits) {
  if (total.bytes == 0) return limits;
  std::vector<std::size_t> modest_first(limits.size());
  std::iota(modest_first.begin(), modest_first.end(), 0U);
  std::ranges::stable_sort(modest_first, {}, [&](std::size_t i) { return upper_bound_of(limits[i]); });
  std::vector<config::ByteCount> rates(limits.size());
  std::uint64_t left = total.bytes;
  std::uint64_t takers = limits.size();
  for (const std::size_t i : modest_first) {
    const std::uint64_t part = std::min(left / takers, upper_bound_of(limits[i]));
    rates[i].bytes = std::max<std::uint64_t>(1, part);
    left -= part;
    --takers;
  }
  return rates;
}

}  // namespace peerstage::daemon
