#include "daemon/catalog/rebuild.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include <sys/stat.h>

#include "config/values.h"
#include "daemon/utc.h"
#include "peers/failure.h"
#include "peers/peer.h"
#include "peers/staging/held_tree.h"
#include "peers/staging/staged_days.h"

namespace peerstage::daemon {
namespace {

using peers::staging::Date;
using peers::staging::Directory;
using peers::staging::StagedDay;
using peers::staging::StagedDays;
using std::chrono::system_clock;

constexpr std::size_t files_a_batch = 1'000;
constexpr std::size_t most_problems = 100;
constexpr auto runs_are_kept_for = std::chrono::days(731);

/// A peer's day that the catalog lacks.
struct LostDay {
  std::string peer;
  Directory directory;
  system_clock::time_point published;  ///< when its manifest was written
};

system_clock::time_point modified(const struct stat& status) {
  return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(
      std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec)));
}

bool may_be_peer(const std::string& name) {
  try {
    return config::as_peer_name(name) == name;
  } catch (const config::BadValue&) {
    return false;
  }
}

class Rebuild {
 public:
  Rebuild(Catalog& catalog, const std::string& staging_dir) : catalog_(catalog), staging_dir_(staging_dir) {}

  RebuildReport run() {
    try {
      const Directory root = Directory::open(staging_dir_);
      const auto [days, problems] = peers::staging::staged_days(root, std::nullopt, {});
      for (const std::string& problem : problems) tell(problem);
      for (auto day = days.begin(); day != days.end();) {
        const auto next = std::find_if(day, days.end(),
                                       [date = day->date](const auto& other) { return other.date != date; });
        rebuild_day(root, day->date, {day, next});
        day = next;
      }
    } catch (const peers::PeerError& error) {
      tell(error.what());
    }
    return std::move(report_);
  }

 private:
  void tell(const std::string& problem) {
    if (report_.problems.size() < most_problems) {
      report_.problems.push_back(problem);
    } else {
      ++report_.problems_unlisted;
    }
  }

  void rebuild_day(const Directory& root, Date date, std::span<const StagedDay> peers) {
    std::vector<LostDay> lost;
    std::string daily_dir;
    try {
      const auto day = find_day(root, date);
      if (!day) return;
      daily_dir = day->path();
      for (const StagedDay& each : peers) {
        if (!may_be_peer(each.peer) || catalog_.knows_files(each.peer, date)) continue;
        if (auto found = look(*day, each.peer); found && !is_told(each.peer, date))
          lost.push_back(std::move(*found));
      }
    } catch (const peers::PeerError& error) {
      tell(error.what());
    }
    if (lost.empty()) return;
    const RunReport run = run_of(date, daily_dir, lost);
    for (const LostDay& each : lost) add(run, each);
  }

  /// By a run that is not over, or was not when the day was looked at: it tells what it publishes right
  /// afterwards.
  bool is_told(const std::string& peer, Date date) const {
    const auto has_it_before_itself = [&](const CatalogedRun& run) {
      return run.report.date == date && std::ranges::any_of(run.report.peers, [&](const PeerReport& each) {
               return each.name == peer && each.status == PeerStatus::cancelled;
             });
    };
    return std::ranges::any_of(catalog_.unfinished_runs(), has_it_before_itself) ||
           catalog_.knows_files(peer, date);
  }

  /// Absent: nothing that we have published.
  std::optional<LostDay> look(const Directory& day, const std::string& peer) {
    try {
      const auto status = day.find(peer);
      if (!status || !S_ISDIR(status->st_mode)) return std::nullopt;
      Directory directory = day.open_directory(peer);
      const auto manifest = directory.find(peers::manifest_name);
      if (!manifest || !S_ISREG(manifest->st_mode)) return std::nullopt;
      return LostDay{peer, std::move(directory), modified(*manifest)};
    } catch (const peers::PeerError& error) {
      tell(error.what());
      return std::nullopt;
    }
  }

  /// The run of those days that no known run has staged; without its peers.
  static RunReport run_of(Date date, const std::string& daily_dir, const std::vector<LostDay>& lost) {
    RunReport run;
    run.id = "rebuilt-" + iso_date(date);
    run.date = date;
    run.daily_dir = daily_dir;
    const auto [first, last] = std::ranges::minmax_element(lost, {}, &LostDay::published);
    run.started = first->published;
    run.finished = last->published;
    return run;
  }

  void add(RunReport run, const LostDay& lost) {
    const auto tree = read(lost);
    if (!tree) return;
    const auto known = catalog_.run_that_staged(lost.peer, run.date);
    if (!known) {
      run.peers = {report_of(lost.peer, *tree)};
      catalog_.begin_run(run, {"", RunTrigger::rebuilt, std::nullopt, {}, false});
    }
    const std::string& id = known ? *known : run.id;
    catalog_.drop_files(id, lost.peer);
    const std::uint64_t files = add_files(id, lost.peer, *tree);
    // A run that told them meanwhile knows better.
    if (catalog_.knows_files(lost.peer, run.date)) return catalog_.drop_files(id, lost.peer);
    catalog_.complete_files(id, lost.peer);
    ++report_.peer_days;
    report_.files += files;
  }

  static PeerReport report_of(const std::string& name, const peers::staging::HeldTree& tree) {
    PeerReport peer;
    peer.name = name;
    peer.status = PeerStatus::staged;
    for (const auto& [path, file] : tree.files) {
      if (!file.sum) continue;
      ++peer.files;
      peer.bytes += file.size;
    }
    return peer;
  }

  std::uint64_t add_files(const std::string& run, const std::string& peer,
                          const peers::staging::HeldTree& tree) {
    std::uint64_t count = 0;
    std::vector<WorkFile> batch;
    for (const auto& [path, held] : tree.files) {
      const auto file = peers::staging::staged_file(path, held);
      if (!file) continue;
      ++count;
      batch.push_back(work_file(*file));
      if (batch.size() == files_a_batch) catalog_.add_files(run, peer, std::exchange(batch, {}));
    }
    if (!batch.empty()) catalog_.add_files(run, peer, batch);
    return count;
  }

  std::optional<peers::staging::HeldTree> read(const LostDay& lost) {
    try {
      auto tree = peers::staging::read_held_tree(lost.directory);
      if (tree.manifest_problem.empty()) return tree;
      tell(tree.manifest_problem);
    } catch (const peers::PeerError& error) {
      tell(error.what());
    }
    return std::nullopt;
  }

  Catalog& catalog_;
  const std::string& staging_dir_;
  RebuildReport report_;
};

}  // namespace

RebuildReport rebuild_catalog(Catalog& catalog, const std::string& staging_dir) {
  return Rebuild(catalog, staging_dir).run();
}

std::uint64_t tidy_catalog(Catalog& catalog, const std::string& staging_dir, system_clock::time_point now) {
  catalog.forget_runs_before(now - runs_are_kept_for);
  StagedDays standing;
  try {
    standing = staged_days(Directory::open(staging_dir), std::nullopt, {});
  } catch (const peers::PeerError&) {
    return 0;
  }
  if (standing.days.empty() || !standing.problems.empty()) return 0;
  std::uint64_t forgotten = 0;
  for (const CatalogedDay& day : catalog.days()) {
    if (std::ranges::binary_search(standing.days, StagedDay{day.date, day.peer})) continue;
    catalog.forget_files(day.peer, day.date);
    ++forgotten;
  }
  return forgotten;
}

}  // namespace peerstage::daemon
