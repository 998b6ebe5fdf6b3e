#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "config/collect_plan.h"
#include "peers/collect/archive.h"
#include "peers/collect/collect.h"
#include "peers/collect/collect_memory.h"
#include "peers/collect/tree.h"
#include "peers/observer.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// On its way up when somebody wants the collect to end.
struct CollectCancelled {};

/// What all items of a collect have in common. Everything has to outlive it.
struct CollectRun {
  const config::CollectPlan& plan;
  const CollectOptions& options;
  const staging::Directory& collect_dir;
  CollectMemory& memory;
  Observer& observer;
  std::map<std::string, staging::Digest> written{};  ///< archives of this collect, and their sums
  std::set<std::string> names{};                     ///< of archives, without ending, that are taken
  std::uint64_t files = 0, bytes = 0;                ///< archived so far

  void refuse_if_cancelled() const {
    if (options.cancelled && options.cancelled()) throw CollectCancelled{};
  }
};

/// Collects one configured file or directory into its archives, each of which is durable when it returns.
/// Throws CollectCancelled only.
ItemReport collect_item(CollectRun& run, const config::CollectItem& item);

}  // namespace peerstage::peers::collect
