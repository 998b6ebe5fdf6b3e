#include "peers/staging/staged_days.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "peers/failure.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::chrono::days oldest_before{31};

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

/// Hidden names and "cback.*" are ours and Cedar Backup's.
bool can_be_peer(const std::string& name) {
  return !name.starts_with('.') && !name.starts_with("cback.");
}

/// Goes down to the days, and keeps what it finds there.
class Search {
 public:
  Search(const Directory& staging, const std::vector<std::string>& peers)
      : staging_(staging), peers_(peers) {}

  void look_everywhere() {
    for_each(staging_, 4, [this](const Directory& months, unsigned year) {
      for_each(months, 2, [this, year](const Directory& days, unsigned month) {
        for_each(days, 2, [this, year, month](const Directory& peers, unsigned day) {
          const Date date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                          std::chrono::day(day)};
          if (date.ok()) add_peers(peers, date);
        });
      });
    });
  }

  void look_at(Date date) {
    guarded([&] {
      if (const auto day = find_day(staging_, date)) add_peers(*day, date);
    });
  }

  StagedDays take() {
    std::ranges::sort(found_.days);
    return std::move(found_);
  }

 private:
  template <typename Look>
  void guarded(Look look) {
    try {
      look();
    } catch (const PeerError& error) {
      found_.problems.emplace_back(error.what());
    }
  }

  /// The subdirectories whose names are numbers of so many digits.
  template <typename Look>
  void for_each(const Directory& directory, int digits, Look look) {
    guarded([&] {
      for (const unsigned value : numbered(directory, static_cast<std::size_t>(digits))) {
        guarded([&] {
          if (const auto inside = directory.find_directory(padded(value, digits))) look(*inside, value);
        });
      }
    });
  }

  void add_peers(const Directory& day, Date date) {
    for (const std::string& name : day.list()) {
      if (!can_be_peer(name)) continue;
      if (!peers_.empty() && std::ranges::find(peers_, name) == peers_.end()) continue;
      const auto status = day.find(name);
      if (status && !S_ISREG(status->st_mode)) found_.days.push_back({date, name});
    }
  }

  const Directory& staging_;
  const std::vector<std::string>& peers_;
  StagedDays found_;
};

std::optional<Directory> find_month(const Directory& staging, Date date) {
  const auto [year_name, month_name, day_name] = day_components(date);
  const auto year = staging.find_directory(year_name);
  return year ? year->find_directory(month_name) : std::nullopt;
}

/// The days in a month, as numbers.
std::vector<unsigned> newest_first(const Directory& month) {
  std::vector<unsigned> days;
  for (const std::string& name : month.list()) {
    if (const auto day = number(name, 2)) days.push_back(*day);
  }
  std::sort(days.rbegin(), days.rend());
  return days;
}

/// Absent also where a link or a file is in the way.
std::optional<Directory> find_peer(const Directory& month, unsigned day, const std::string& peer) {
  try {
    const auto directory = month.find_directory(padded(day, 2));
    return directory ? directory->find_directory(peer) : std::nullopt;
  } catch (const PeerError&) {
    return std::nullopt;
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

std::optional<StagedBefore> find_before(const Directory& staging, Date date, const std::string& peer) {
  const std::chrono::sys_days today(date), oldest = today - oldest_before;
  const Date first(oldest);
  for (auto month = date.year() / date.month(); month >= first.year() / first.month();
       month -= std::chrono::months(1)) {
    try {
      const auto directory = find_month(staging, month / 1);
      if (!directory) continue;
      for (const unsigned number : newest_first(*directory)) {
        const Date day = month / std::chrono::day(number);
        if (!day.ok() || std::chrono::sys_days(day) >= today || std::chrono::sys_days(day) < oldest) continue;
        if (auto before = find_peer(*directory, number, peer)) return StagedBefore{day, std::move(*before)};
      }
    } catch (const PeerError&) {
      continue;
    }
  }
  return std::nullopt;
}

StagedDays staged_days(const Directory& staging, std::optional<Date> date,
                       const std::vector<std::string>& peers) {
  Search search(staging, peers);
  if (date) {
    search.look_at(*date);
  } else {
    search.look_everywhere();
  }
  return search.take();
}

}  // namespace peerstage::peers::staging
