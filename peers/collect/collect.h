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
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
  /// A file that changed less than this ago is read again by the next incremental collect.
  std::chrono::seconds settle_time{60};
  /// How long to wait for another collect. A purge that notes what is staged keeps it away for a moment.
  std::chrono::milliseconds lock_patience{5000};
};

/// What became of one configured file or directory.
struct ItemReport {
  std::string path;
  enum class Status {
    collected,
    nothing_new,  ///< no archive was needed
    not_due,      ///< weekly, and this is not the day
    incomplete,   ///< collected, but for something that could not be read
    failed        ///< it, or a part of it, has no archive
  };
  Status status = Status::failed;
  std::vector<std::string> archives;   ///< names in the collect directory
  std::uint64_t files = 0, bytes = 0;  ///< that were archived: files and links, and the content of the files
  std::vector<std::string> warnings;   ///< printable sentences, the first hundred
  std::uint64_t more_warnings = 0;
  std::string failure;  ///< printable, of a failed one
};

struct CollectReport {
  std::vector<ItemReport> items;
  bool marked = false;  ///< cback.collect was written
  bool cancelled = false;
  bool locked = false;               ///< another collect is going on; `error` says so
  std::optional<std::string> error;  ///< it could not be done at all, or not to its end
};

/// Collects what the plan says into the collect directory: removes the old indicator, writes each archive
/// under a temporary name and renames it, writes cback.sha256, then the indicator, everything durable in this
/// order. One collect of a directory at a time. Blocks; does not throw.
///
/// A collect that could not be done at all leaves no cback.collect either (see withdraw_collect), unless
/// another one is going on.
CollectReport collect(const config::CollectPlan& plan, const CollectOptions& options, Observer& observer);

/// For a collect that cannot be done: removes cback.collect, durably, so that no master takes what was
/// collected earlier for what should have been collected now. What is known of the last collect of ours stays
/// known. Nothing happens while a collect is going on. What cannot be removed is a warning for the observer.
/// Does not throw.
void withdraw_collect(const config::CollectPlan& plan, const std::optional<staging::Ownership>& owner,
                      Observer& observer);

/// Writes down, if it is so, that a master has staged the last collect: whoever is going to remove
/// cback.stage or cback.collect (a purge) calls this before, or else the next incremental collect begins
/// further back than need be. What cannot be read or written is a warning for the observer. Does not throw.
void note_what_is_staged(const config::CollectPlan& plan, const std::optional<staging::Ownership>& owner,
                         Observer& observer);

const char* to_string(ItemReport::Status status);

}  // namespace peerstage::peers::collect
