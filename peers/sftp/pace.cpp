#include "peers/sftp/pace.h"

#include <algorithm>
#include <cstdint>

namespace peerstage::peers::sftp {
namespace {

constexpr std::uint64_t bytes_per_microsecond = 1000;
constexpr std::size_t least_bytes = 2U << 20U;
constexpr std::size_t most_bytes = 16U << 20U;

/// What an OpenSSH server opens, reads and closes at best; a file is open for two round trips.
constexpr std::uint64_t files_per_millisecond = 30;
constexpr std::size_t least_files = 64;
/// Most servers run with 1024 descriptors.
constexpr std::size_t most_files = 900;

constexpr std::size_t short_line_receive = 256U << 10U;

}  // namespace

Pace pace_for(std::chrono::steady_clock::duration round_trip) {
  using std::chrono::microseconds;
  const auto measured = std::chrono::duration_cast<microseconds>(round_trip);
  const auto trip = static_cast<std::uint64_t>(
      std::clamp(measured, microseconds::zero(), microseconds(std::chrono::seconds(1))).count());
  Pace pace;
  pace.bytes = std::clamp<std::size_t>(trip * bytes_per_microsecond, least_bytes, most_bytes);
  pace.files = std::clamp<std::size_t>(2 * trip * files_per_millisecond / 1000, least_files, most_files);
  pace.listings = std::clamp<std::size_t>(pace.files / 8, 16, 64);
  // On a short line a transport that is asked for more only moves more memory.
  pace.receive_size = pace.bytes == least_bytes ? short_line_receive : pace.bytes / 2;
  return pace;
}

}  // namespace peerstage::peers::sftp
