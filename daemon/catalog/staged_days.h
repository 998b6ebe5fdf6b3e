#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"

/// The days that stand in a staging directory.
namespace peerstage::daemon {

/// Called for what cannot be read.
using TellProblem = std::function<void(const std::string& sentence)>;

struct StagedDay {
  std::chrono::year_month_day date;
  peers::staging::Directory directory;  ///< STAGING/YYYY/MM/DD
};

/// Calls `take` for each, in their order. What has no name of a day is passed over.
void for_each_staged_day(const std::string& staging_dir, const TellProblem& problem,
                         const std::function<void(const StagedDay&)>& take);

/// The names of what stands in the day and may be a peer's, sorted.
std::vector<std::string> peers_of_day(const StagedDay& day, const TellProblem& problem);

}  // namespace peerstage::daemon
