#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/collect_plan.h"
#include "peers/observer.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// One collect of this machine.
struct CollectOptions {
  bool full = false;  ///< everything, and the state of incremental items begins anew
  bool is_starting_day = false;
  std::optional<staging::Ownership> owner;  ///< of what is written; absent: ours
  std::function<bool()> cancelled;          ///< asked between entries; absent: never
};

/// What became of one configured file or directory.
struct ItemReport {
  std::string path;
  enum class Status {
    collected,
    nothing_new,  ///< no archive was needed
    not_due,      ///< weekly, and this is not the day
    incomplete,   ///< there is an archive, but something could not be read
    failed        ///< there is none
  };
  Status status = Status::failed;
  std::vector<std::string> archives;  ///< names in the collect directory
  std::uint64_t files = 0, bytes = 0;
  std::vector<std::string> warnings;  ///< printable sentences, the first hundred
  std::uint64_t more_warnings = 0;
  std::string failure;
};

struct CollectReport {
  std::vector<ItemReport> items;
  bool marked = false;  ///< cback.collect was written
  bool cancelled = false;
  std::optional<std::string> error;  ///< it could not be done at all
};

/// Collects what the plan says into the collect directory: removes the old indicator, writes each archive
/// under a temporary name and renames it, writes cback.sha256, then the indicator, everything durable in this
/// order. One collect of a directory at a time. Blocks; does not throw.
CollectReport collect(const config::CollectPlan& plan, const CollectOptions& options, Observer& observer);

const char* to_string(ItemReport::Status status);

}  // namespace peerstage::peers::collect
