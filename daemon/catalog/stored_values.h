#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "daemon/catalog/nullable.h"
#include "daemon/worker_protocol.h"
#include "peers/failure.h"

/// How values stand in the tables of the catalog. What comes back is what went in; what no program of ours
/// has written throws StrangeValue.
namespace peerstage::daemon {

class StrangeValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using CatalogTime = std::chrono::system_clock::time_point;

long long stored_time(CatalogTime when);
CatalogTime time_of(long long stored);

/// YYYY-MM-DD.
std::string stored_date(std::chrono::year_month_day date);
std::chrono::year_month_day date_of(const std::string& stored);

/// Raw bytes as peers::printable has them, and back.
std::string stored_bytes(std::string_view bytes);
std::string bytes_of(std::string_view stored);

/// 64 hexadecimal digits.
std::string stored_sum(const std::array<std::uint8_t, 32>& sum);
std::array<std::uint8_t, 32> sum_of(const std::string& stored);

/// No number that we store comes near the limit, except where a peer lies about it.
long long stored_number(std::uint64_t number);
std::uint64_t number_of(long long stored);

/// What went wrong; no kind: nothing.
std::optional<peers::Failure> failure_of(const Nullable<std::string>& kind,
                                         const Nullable<std::string>& message);

/// The one of `all` that to_string calls so.
template <typename Enum>
Enum one_of(const std::string& stored, std::initializer_list<Enum> all) {
  for (const Enum each : all) {
    if (stored == to_string(each)) return each;
  }
  throw StrangeValue("no value is called \"" + stored + "\"");
}

}  // namespace peerstage::daemon
