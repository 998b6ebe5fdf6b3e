#include "daemon/catalog/staged_days.h"

#include <algorithm>

#include "config/values.h"
#include "peers/failure.h"

namespace peerstage::daemon {
namespace {

using peers::staging::Directory;

/// Entries whose names are a number of so many digits, in their order.
std::vector<std::string> numbers_in(const Directory& directory, std::size_t digits) {
  std::vector<std::string> names = directory.list();
  std::erase_if(names, [digits](const std::string& name) {
    return name.size() != digits || !std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  });
  std::ranges::sort(names);
  return names;
}

/// Opens every such directory; one that cannot be read does not hide the others.
template <typename Take>
void for_each_number(const Directory& directory, std::size_t digits, const TellProblem& problem, Take take) {
  for (const std::string& name : numbers_in(directory, digits)) {
    try {
      take(static_cast<unsigned>(std::stoul(name)), directory.open_directory(name));
    } catch (const peers::PeerError& error) {
      problem(error.what());
    }
  }
}

bool may_be_peer(const std::string& name) {
  try {
    return config::as_peer_name(name) == name;
  } catch (const config::BadValue&) {
    return false;
  }
}

}  // namespace

void for_each_staged_day(const std::string& staging_dir, const TellProblem& problem,
                         const std::function<void(const StagedDay&)>& take) {
  try {
    const Directory root = Directory::open(staging_dir);
    for_each_number(root, 4, problem, [&](unsigned year, const Directory& months) {
      for_each_number(months, 2, problem, [&](unsigned month, const Directory& days) {
        for_each_number(days, 2, problem, [&](unsigned day, Directory directory) {
          const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                                 std::chrono::month(month), std::chrono::day(day)};
          if (date.ok()) take({date, std::move(directory)});
        });
      });
    });
  } catch (const peers::PeerError& error) {
    problem(error.what());
  }
}

std::vector<std::string> peers_of_day(const StagedDay& day, const TellProblem& problem) {
  try {
    std::vector<std::string> names = day.directory.list();
    std::erase_if(names, [](const std::string& name) { return !may_be_peer(name); });
    std::ranges::sort(names);
    return names;
  } catch (const peers::PeerError& error) {
    problem(error.what());
    return {};
  }
}

}  // namespace peerstage::daemon
