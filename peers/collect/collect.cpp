#include "peers/collect/collect.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/collect/archive.h"
#include "peers/collect/collect_lock.h"
#include "peers/collect/collect_memory.h"
#include "peers/collect/collect_state.h"
#include "peers/collect/item_collector.h"
#include "peers/collect/markers.h"
#include "peers/failure.h"
#include "peers/peer.h"
#include "peers/staging/file_io.h"
#include "peers/staging/manifest.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

using staging::Directory;
constexpr std::chrono::milliseconds at_once{0};

PeerError cannot_collect(const std::string& why) {
  return {FailureKind::permanent, "cannot collect: " + why};
}

staging::Digest sum_of_archive(const Directory& where, const std::string& name) {
  const std::string shown = where.shown(name);
  const Descriptor file = where.open_file(name, O_RDONLY);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) throw system_error("cannot read " + shown, errno);
  staging::Sha256 sum;
  staging::read_pieces(file.get(), static_cast<std::uint64_t>(status.st_size), shown,
                       [&sum](std::span<const std::byte> bytes) { sum.add(bytes); });
  return sum.finish();
}

class Collect {
 public:
  Collect(const config::CollectPlan& plan, const CollectOptions& options, Observer& observer,
          CollectReport& report)
      : plan_(plan), options_(options), observer_(observer), report_(report) {}

  void run() {
    if (plan_.items.empty())
      throw cannot_collect("the collect section has neither a file nor a dir; name what is to be collected");
    const Directory collect_dir = Directory::open(plan_.collect_dir);
    const Directory working = Directory::open(plan_.working_dir);
    const CollectLock lock(collect_dir, working, options_.owner, options_.lock_patience);
    CollectMemory memory(collect_dir, working, options_.owner, observer_);
    find_archives_before(collect_dir, memory);
    memory.begin(options_.full || options_.is_starting_day ? Base::nothing : Base::confirmed, options_.now());
    clear(collect_dir);
    CollectRun run{plan_, options_, collect_dir, memory, observer_};
    collect_items(run);
    finish(run);
  }

 private:
  enum class Known { staged, unstaged };

  /// Before anything changes: what stands there of earlier collects, and whether a master has it.
  void find_archives_before(const Directory& collect_dir, const CollectMemory& memory) {
    std::set<std::string> names(memory.archives_before().begin(), memory.archives_before().end());
    for (const config::CollectItem& item : plan_.items) {
      for (const auto mode : {config::ArchiveMode::tar, config::ArchiveMode::targz,
                              config::ArchiveMode::tarbz2, config::ArchiveMode::tarzst})
        names.insert(archive_name(item.path) + archive_ending(mode));
    }
    for (const std::string& name : names) {
      const auto status = find_archive(collect_dir, name);
      if (status) before_[name] = memory.knows_staged(*status) ? Known::staged : Known::unstaged;
    }
  }

  /// Absent also for a name that cannot be: nothing of ours is there then.
  static std::optional<struct stat> find_archive(const Directory& collect_dir, const std::string& name) {
    try {
      const auto status = collect_dir.find(name);
      return status && S_ISREG(status->st_mode) ? status : std::nullopt;
    } catch (const PeerError&) {
      return std::nullopt;
    }
  }

  /// Whatever happens from here on, nobody takes what stands in the directory for complete, nor a marker of a
  /// master for one about this collect.
  static void clear(const Directory& collect_dir) {
    for (const char* name : {collect_indicator, manifest_name, stage_indicator}) collect_dir.unlink(name);
    remove_unfinished_archives(collect_dir);
    collect_dir.sync();
  }

  void collect_items(CollectRun& run) {
    try {
      for (const config::CollectItem& item : plan_.items) {
        run.refuse_if_cancelled();
        report_.items.push_back(collect_item(run, item));
      }
    } catch (const CollectCancelled&) {
      report_.cancelled = true;
    }
  }

  void finish(CollectRun& run) {
    for (const auto& [name, sum] : run.written) before_.erase(name);
    if (!report_.cancelled) remove_staged(run.collect_dir);
    std::vector<std::string> archives;
    for (const auto& [name, sum] : run.written) archives.push_back(name);
    for (const auto& [name, known] : before_) archives.push_back(name);
    std::optional<Marker> marker;
    if (!report_.cancelled && !is_withheld()) {
      write_manifest(run);
      marker = write_collect_marker(run.collect_dir, options_.owner);
      report_.marked = true;
    }
    remember(run.memory, std::move(archives), marker);
  }

  /// What was collected is complete without it: the next collect just takes more than need be.
  void remember(CollectMemory& memory, std::vector<std::string> archives,
                const std::optional<Marker>& marker) const {
    try {
      memory.end(std::move(archives), marker);
    } catch (const PeerError& error) {
      observer_.event(EventLevel::warning, error.what());
    }
  }

  /// An archive that this collect had no reason to write would be staged again as if it were of today.
  void remove_staged(const Directory& collect_dir) {
    for (auto at = before_.begin(); at != before_.end();) {
      if (at->second == Known::unstaged) {
        ++at;
        continue;
      }
      if (collect_dir.unlink(at->first))
        observer_.event(EventLevel::info, "removed " + collect_dir.shown(at->first) +
                                              ": it is staged, and this collect has nothing for it");
      at = before_.erase(at);
    }
    collect_dir.sync();
  }

  bool is_withheld() const {
    return plan_.incomplete == config::IncompleteCollect::withhold &&
           std::any_of(report_.items.begin(), report_.items.end(),
                       [](const ItemReport& item) { return item.status == ItemReport::Status::failed; });
  }

  /// The archives of this collect, and those that wait to be staged with them. What else lies there is not
  /// ours and may be written anew by its owner at any time, so it is not vouched for.
  void write_manifest(const CollectRun& run) const {
    staging::Manifest sums(run.written.begin(), run.written.end());
    for (const auto& [name, known] : before_) {
      try {
        sums.emplace(name, sum_of_archive(run.collect_dir, name));
      } catch (const PeerError& error) {
        observer_.event(EventLevel::warning, error.what());
      }
    }
    std::string text;
    for (const auto& [name, sum] : sums) text += staging::manifest_line(name, sum);
    const std::string shown = run.collect_dir.shown(manifest_name);
    const Descriptor file = run.collect_dir.create_file(manifest_name, 0640);
    if (!file) throw system_error("cannot create " + shown, errno);
    staging::give_to(options_.owner, file.get(), shown);
    if (!write_whole(file.get(), std::as_bytes(std::span(text))) || !sync_to_disk(file.get()))
      throw system_error("cannot write " + shown, errno);
    run.collect_dir.sync();
  }

  const config::CollectPlan& plan_;
  const CollectOptions& options_;
  Observer& observer_;
  CollectReport& report_;
  std::map<std::string, Known> before_;  ///< archives that stand there and are not of this collect
};

/// Whether the last collect of ours has written what stands there.
bool is_indicator_ours(const Directory& collect_dir, const Directory& working) {
  const auto indicator = find_marker(collect_dir, collect_indicator);
  const auto state = read_collect_state(working);
  return indicator && state && state->published && state->collect_dir == collect_dir.path() &&
         state->published->modified == indicator->modified && state->published->inode == indicator->inode;
}

/// The mark of a master is about the indicator that stands there. When that one is gone it would be taken for
/// one about the last collect of ours (see CollectMemory), so it stays only where that is true.
void withdraw(const Directory& collect_dir, const std::string& working_dir,
              const std::optional<staging::Ownership>& owner, Observer& observer) {
  std::optional<CollectLock> lock;
  bool is_ours = false;
  try {
    const Directory working = Directory::open(working_dir);
    lock.emplace(collect_dir, working, owner, at_once);
    is_ours = is_indicator_ours(collect_dir, working);
  } catch (const CollectIsLocked&) {
    throw;
  } catch (const PeerError&) {
    // Perhaps this is why nothing could be collected; then nobody else collects with it.
  }
  if (!is_ours) collect_dir.unlink(stage_indicator);
  collect_dir.unlink(collect_indicator);
  collect_dir.sync();
  observer.event(EventLevel::info, "removed " + collect_dir.shown(collect_indicator) +
                                       ", so that nothing that was collected earlier is staged as if it "
                                       "were of this collect");
}

}  // namespace

CollectReport collect(const config::CollectPlan& plan, const CollectOptions& options, Observer& observer) {
  CollectReport report;
  try {
    Collect(plan, options, observer, report).run();
  } catch (const CollectIsLocked& error) {
    report.locked = true;
    report.error = error.what();
  } catch (const std::exception& error) {
    report.error = error.what();
    if (!report.marked) withdraw_collect(plan, options.owner, observer);
  }
  return report;
}

void withdraw_collect(const config::CollectPlan& plan, const std::optional<staging::Ownership>& owner,
                      Observer& observer) {
  std::optional<Directory> collect_dir;
  try {
    collect_dir.emplace(Directory::open(plan.collect_dir));
  } catch (const std::exception&) {
    return;  // nothing stands in it, and whoever cannot collect has said why
  }
  try {
    if (collect_dir->find(collect_indicator)) withdraw(*collect_dir, plan.working_dir, owner, observer);
  } catch (const CollectIsLocked&) {
    // The one that is going on writes its own.
  } catch (const std::exception& error) {
    observer.event(EventLevel::warning, error.what());
  }
}

void note_what_is_staged(const config::CollectPlan& plan, const std::optional<staging::Ownership>& owner,
                         Observer& observer) {
  try {
    const Directory collect_dir = Directory::open(plan.collect_dir);
    const Directory working = Directory::open(plan.working_dir);
    const CollectLock lock(collect_dir, working, owner, at_once);
    CollectMemory(collect_dir, working, owner, observer).note_staged();
  } catch (const std::exception& error) {
    observer.event(EventLevel::warning, error.what());
  }
}

const char* to_string(ItemReport::Status status) {
  switch (status) {
    case ItemReport::Status::collected:
      return "collected";
    case ItemReport::Status::nothing_new:
      return "nothing_new";
    case ItemReport::Status::not_due:
      return "not_due";
    case ItemReport::Status::incomplete:
      return "incomplete";
    case ItemReport::Status::failed:
      return "failed";
  }
  return "failed";
}

}  // namespace peerstage::peers::collect
