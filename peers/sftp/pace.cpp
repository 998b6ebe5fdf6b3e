#include "peers/sftp/pace.h"

#include <algorithm>
#include <cstdint>

namespace peerstage::peers::sftp {
namespace {

using std::chrono::microseconds;

constexpr std::uint64_t most_bytes_a_microsecond = 1000;
constexpr std::size_t least_bytes = 2U << 20U;
constexpr std::size_t first_bytes = 4U << 20U;  // on a long line, until its rate is known
constexpr std::size_t most_bytes = 32U << 20U;

constexpr auto shortest_measurement = std::chrono::milliseconds(10);
/// With each measurement that is lower, the rate falls by one of so many parts: a pause is not the line.
constexpr std::uint64_t parts_of_rate = 16;

/// What an OpenSSH server opens, reads and closes at best; a file is open for two round trips.
constexpr std::uint64_t files_per_millisecond = 30;
constexpr std::size_t least_files = 64;
/// Most servers run with 1024 descriptors.
constexpr std::size_t most_files = 900;

constexpr std::size_t short_line_receive = 256U << 10U;

}  // namespace

void LineGauge::answered_after(Clock::duration waited) {
  if (waited >= round_trip_) return;
  round_trip_ = waited;
  set_pace();
}

void LineGauge::received(std::uint64_t bytes, Clock::time_point now) {
  const auto elapsed = std::chrono::duration_cast<microseconds>(now - since_);
  if (measuring_ && elapsed < std::max<Clock::duration>(round_trip_, shortest_measurement)) return;
  if (measuring_) {
    const std::uint64_t rate =
        (bytes - bytes_then_) * 1'000'000 / static_cast<std::uint64_t>(elapsed.count());
    rate_ = std::max(rate, rate_ - rate_ / parts_of_rate);
    set_pace();
  }
  measuring_ = true;
  since_ = now;
  bytes_then_ = bytes;
}

void LineGauge::set_pace() {
  const auto measured = std::chrono::duration_cast<microseconds>(round_trip_);
  const auto trip = static_cast<std::uint64_t>(
      std::clamp(measured, microseconds::zero(), microseconds(std::chrono::seconds(1))).count());
  const std::size_t most = std::clamp<std::size_t>(trip * most_bytes_a_microsecond, least_bytes, most_bytes);
  pace_.bytes = std::clamp<std::size_t>(2 * rate_ * trip / 1'000'000, std::min(first_bytes, most), most);
  pace_.files = std::clamp<std::size_t>(2 * trip * files_per_millisecond / 1000, least_files, most_files);
  pace_.listings = std::clamp<std::size_t>(pace_.files / 8, 16, 128);
  // On a short line a transport that is asked for more only moves more memory; on a long one, what it is
  // asked for is what it lets the server send ahead.
  pace_.receive_size = most == least_bytes ? short_line_receive : pace_.bytes;
}

}  // namespace peerstage::peers::sftp
