#include "peers/staging/staged_days.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace peerstage::peers::staging {
namespace {

/// Absent: not so many digits and nothing else.
std::optional<unsigned> number(const std::string& name, std::size_t digits) {
  unsigned value = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, value);
  if (name.size() != digits || error != std::errc() || rest != end) return std::nullopt;
  return value;
}

/// The subdirectories whose names are numbers of so many digits. Files are passed over.
std::vector<unsigned> numbered(const Directory& directory, std::size_t digits) {
  std::vector<unsigned> numbers;
  for (const std::string& name : directory.list()) {
    const auto value = number(name, digits);
    const auto status = value ? directory.find(name) : std::nullopt;
    if (status && !S_ISREG(status->st_mode)) numbers.push_back(*value);
  }
  return numbers;
}

std::string padded(unsigned value, int digits) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%0*u", digits, value);
  return text.data();
}

std::vector<Date> dates(const Directory& staging) {
  std::vector<Date> found;
  for (const unsigned year : numbered(staging, 4)) {
    const auto months = staging.find_directory(padded(year, 4));
    if (!months) continue;
    for (const unsigned month : numbered(*months, 2)) {
      const auto days = months->find_directory(padded(month, 2));
      if (!days) continue;
      for (const unsigned day : numbered(*days, 2)) {
        const Date date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                        std::chrono::day(day)};
        if (date.ok()) found.push_back(date);
      }
    }
  }
  return found;
}

/// Hidden names and "cback.*" are ours and Cedar Backup's.
bool can_be_peer(const std::string& name) {
  return !name.starts_with('.') && !name.starts_with("cback.");
}

void add_peers(const Directory& day, Date date, const std::vector<std::string>& wanted,
               std::vector<StagedDay>& found) {
  for (const std::string& name : day.list()) {
    if (!can_be_peer(name)) continue;
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
    const auto status = day.find(name);
    if (status && !S_ISREG(status->st_mode)) found.push_back({date, name});
  }
}

}  // namespace

std::array<std::string, 3> day_components(Date date) {
  return {padded(static_cast<unsigned>(static_cast<int>(date.year())), 4),
          padded(static_cast<unsigned>(date.month()), 2), padded(static_cast<unsigned>(date.day()), 2)};
}

std::optional<Directory> find_day(const Directory& staging, Date date) {
  const auto [year, month, day] = day_components(date);
  const auto year_directory = staging.find_directory(year);
  const auto month_directory = year_directory ? year_directory->find_directory(month) : std::nullopt;
  return month_directory ? month_directory->find_directory(day) : std::nullopt;
}

std::vector<StagedDay> staged_days(const Directory& staging, std::optional<Date> date,
                                   const std::vector<std::string>& peers) {
  std::vector<StagedDay> found;
  for (const Date each : date ? std::vector{*date} : dates(staging)) {
    if (const auto day = find_day(staging, each)) add_peers(*day, each, peers, found);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace peerstage::peers::staging
