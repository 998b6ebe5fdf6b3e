#include "peers/staging/stage.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "peers/staging/comparison.h"
#include "peers/staging/disk_space.h"
#include "peers/staging/fetch.h"
#include "peers/staging/publish.h"
#include "peers/staging/reuse.h"
#include "peers/staging/survey.h"
#include "peers/staging/verify.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

constexpr int passes = 3;
constexpr std::uint64_t no_disk_holds = 1ULL << 62U;
/// From this many files on, one sync of the file system is cheaper than one each.
constexpr std::size_t many_files = 32;

/// What one pass found before it fetched anything.
struct Situation {
  Survey survey;
  std::optional<HeldTree> held;  ///< absent: the peer is not in the day yet
  std::optional<Manifest> peers_manifest;
  Comparison plan;

  const HeldFile* held_file(const std::string& path) const {
    if (!held) return nullptr;
    const auto found = held->files.find(path);
    return found == held->files.end() ? nullptr : &found->second;
  }
};

std::string first_difference(const Survey& before, const Survey& after) {
  std::map<std::string, const SourceFile*> known;
  for (const SourceFile& file : before.files) known.emplace(file.path.bytes(), &file);
  for (const SourceFile& file : after.files) {
    const auto earlier = known.find(file.path.bytes());
    if (earlier == known.end()) return file.path.bytes() + " is new";
    if (*earlier->second != file) return file.path.bytes() + " has changed";
    known.erase(earlier);
  }
  return known.empty() ? "a directory or special file" : known.begin()->first + " is gone";
}

PeerError combined(const FetchResult& result) {
  const Failure& first = *result.first_failure;
  if (result.failed == 1) return {first.kind, first.message};
  return {first.kind, first.message + " (and " + std::to_string(result.failed - 1) + " more files failed)"};
}

class Staging {
 public:
  Staging(Connection& connection, const std::string& collect_dir, PeerPlace& place,
          const StageOptions& options, Observer& observer)
      : connection_(connection),
        collect_dir_(collect_dir),
        place_(place),
        options_(options),
        observer_(observer),
        modes_{options.permissions, options.umask},
        throttle_(options.bandwidth_limit),
        progress_(observer) {}

  StagedTree run() {
    try {
      return try_to_stage();
    } catch (const PeerError&) {
      if (options_.mode == RunMode::real) yield_full_disk();
      throw;
    }
  }

 private:
  StagedTree try_to_stage() {
    if (options_.mode == RunMode::real) clear_own_leftovers();
    for (int pass = 1; pass <= passes; ++pass) {
      if (pass > 1) observer_.event(EventLevel::info, "fetching again: " + problem_);
      if (auto result = try_once(pass)) return *result;
    }
    throw PeerError(FailureKind::permanent, "gave up on " + printable(collect_dir_) + " after " +
                                                std::to_string(passes) + " attempts: " + problem_);
  }

  /// Absent: something changed or was lost, see problem_; once more.
  std::optional<StagedTree> try_once(int pass) {
    const Situation situation = look();
    if (pass == 1) tell_skipped(situation);
    if (options_.mode == RunMode::dry_run) return dry_result(situation);
    if (situation.held && situation.plan.nothing_to_do() && options_.verify != config::Verify::checksum) {
      check_manifest(situation);
      return unchanged(situation);
    }
    if (!situation.plan.fetch.empty() && !fetch(situation)) return std::nullopt;
    if (!check_manifest(situation) || !check_sums(situation)) return std::nullopt;
    if (!changes_day(situation)) return unchanged(situation);
    return publish_tree(situation);
  }

  Situation look() {
    Situation situation;
    situation.survey = survey(connection_, collect_dir_, rules());
    if (const auto peer_day = place_.peer_day()) {
      situation.held = read_held_tree(*peer_day);
      if (!situation.held->manifest_problem.empty()) {
        observer_.event(EventLevel::warning,
                        "everything is fetched again: " + situation.held->manifest_problem);
      }
    }
    if (options_.verify != config::Verify::none && situation.survey.manifest) {
      situation.peers_manifest = fetch_manifest(connection_, collect_dir_, *situation.survey.manifest);
    }
    situation.plan =
        compare(situation.survey, situation.held.value_or(HeldTree{}), situation.peers_manifest, distrusted_);
    return situation;
  }

  SurveyRules rules() const { return {options_.subdirectories, options_.special_files}; }

  void tell_skipped(const Situation& situation) {
    for (const SkippedEntry& entry : situation.survey.skipped) observer_.skipped(entry.name, entry.reason);
  }

  /// Of an attempt that died while it published.
  void clear_own_leftovers() {
    clear_unfinished(place_.day(), place_.peer_name());
    const auto spool = Spool::find(place_.spools(), place_.peer_name(), place_.owner());
    if (spool) spool->forget_publishing(place_.date());
  }

  /// An unfinished transfer is worth keeping, but not at the price of all other peers, which cannot be staged
  /// on a full disk.
  void yield_full_disk() {
    try {
      const FreeSpace space = free_space_of(place_.disk().descriptor());
      if (!lack_of_space(space, {space.block_size, 1}, options_.minimum_free)) return;
      if (const auto spool = Spool::find(place_.spools(), place_.peer_name(), place_.owner()))
        spool->remove();
    } catch (const PeerError&) {
      return;  // the failure that brought us here is the one to be told
    }
  }

  // --- fetching ---

  /// False: once more.
  bool fetch(const Situation& situation) {
    std::vector<WantedFile> files = wanted_files(situation);
    check_space(situation, files);
    if (situation.plan.fetch.size() > many_files) durability_ = Durability::together;
    const Spool& spool = open_spool();
    take_from_earlier_day(situation, files);
    tell_plan(files);
    FetchResult result = fetch_files({connection_, collect_dir_, spool, place_, modes_, options_.minimum_free,
                                      durability_, throttle_, progress_},
                                     files);
    fetched_.merge(result.sums);
    continued_.merge(result.continued);
    reused_ += result.reused;

    const Survey after = survey(connection_, collect_dir_, rules());
    if (after != situation.survey) {
      problem_ = printable(collect_dir_) + " keeps changing while it is read (" +
                 printable(first_difference(situation.survey, after), 300) +
                 "); stage it when the peer has finished collecting";
      return false;
    }
    if (result.first_failure) throw combined(result);
    if (!result.doubtful.empty()) problem_ = result.doubt;
    return result.doubtful.empty();
  }

  /// And out of `files`, which are then those that have to be fetched.
  void take_from_earlier_day(const Situation& situation, std::vector<WantedFile>& files) {
    if (!options_.reuse_unchanged || !place_.before() || files.empty()) return;
    const Reuse reuse(place_, spool_->directory(), modes_, durability_);
    std::erase_if(files, [&](const WantedFile& file) {
      const std::string& path = file.source->path.bytes();
      if (file.present > 0 || distrusted_.contains(path)) return false;
      const auto tag = reuse.take(*file.source, file.spooled, situation.peers_manifest);
      if (!tag) return false;
      fetched_.emplace(file.spooled, tag->sum);
      taken_from_.emplace(file.spooled, tag->fetched_on.value());
      ++reused_;
      progress_.tell_if_due();
      return true;
    });
  }

  void tell_plan(const std::vector<WantedFile>& files) {
    std::uint64_t bytes = 0;
    for (const WantedFile& file : files)
      bytes = std::min(bytes + std::min(file.source->size - file.present, no_disk_holds), no_disk_holds);
    progress_.plan(files.size(), bytes);
  }

  const Spool& open_spool() {
    if (!spool_) spool_ = Spool::open(place_.spools(), place_.peer_name(), place_.owner());
    return *spool_;
  }

  /// What has to be fetched and is not complete in the spool by this run's own work.
  std::vector<WantedFile> wanted_files(const Situation& situation) {
    std::map<std::string, const SourceFile*> by_name;
    for (const std::size_t index : situation.plan.fetch) {
      const SourceFile& file = situation.survey.files[index];
      by_name.emplace(Spool::name_of(file), &file);
    }
    const auto stock = take_stock(by_name);
    std::vector<WantedFile> files;
    for (const std::size_t index : situation.plan.fetch) {
      const SourceFile& file = situation.survey.files[index];
      std::string name = Spool::name_of(file);
      if (fetched_.contains(name)) continue;
      const auto present = stock.find(name);
      files.push_back({&file, std::move(name), present == stock.end() ? 0 : present->second});
    }
    return files;
  }

  std::map<std::string, std::uint64_t> take_stock(
      const std::map<std::string, const SourceFile*>& wanted) const {
    const auto spool = Spool::find(place_.spools(), place_.peer_name(), place_.owner());
    if (!spool) return {};
    spool->forget_other_boots();
    return spool->take_stock(wanted);
  }

  void check_space(const Situation& situation, const std::vector<WantedFile>& files) {
    const FreeSpace space = free_space_of(place_.disk().descriptor());
    SpaceNeeded needed;
    for (const WantedFile& file : files) {
      // A peer may claim any size: neither this nor the sum may overflow and look small.
      const std::uint64_t missing = std::min(file.source->size - file.present, no_disk_holds);
      needed.bytes = std::min(needed.bytes, no_disk_holds) +
                     (missing + space.block_size - 1) / space.block_size * space.block_size;
    }
    needed.files = files.size() + situation.survey.directories.size() + 2;
    if (const auto lack = lack_of_space(space, needed, options_.minimum_free)) {
      throw PeerError(FailureKind::permanent, "disk full: " + printable(collect_dir_) +
                                                  " does not fit into the staging directory at " +
                                                  printable(place_.disk().path()) + ": " + *lack);
    }
  }

  // --- verifying ---

  std::optional<Digest> sum_of(const Situation& situation, const SourceFile& file) const {
    if (const auto fetched = fetched_.find(Spool::name_of(file)); fetched != fetched_.end())
      return fetched->second;
    const HeldFile* held = situation.held_file(file.path.bytes());
    return held != nullptr ? held->sum : std::nullopt;
  }

  Manifest sums(const Situation& situation) const {
    Manifest sums;
    for (const SourceFile& file : situation.survey.files) {
      if (const auto sum = sum_of(situation, file)) sums.emplace(file.path.bytes(), *sum);
    }
    return sums;
  }

  /// The peer's own manifest. False: once more.
  bool check_manifest(const Situation& situation) {
    if (!situation.peers_manifest) return true;
    const auto wrong = differences(*situation.peers_manifest, sums(situation));
    if (wrong.empty()) return true;
    if (forget_continued(situation, wrong)) return false;
    throw PeerError(FailureKind::permanent, "\"" + printable(wrong.front()) + "\" in " +
                                                printable(collect_dir_) +
                                                " is not what the peer's cback.sha256 says" +
                                                and_more(wrong.size()) + "; collect again on the peer");
  }

  /// What the peer itself makes of its files. False: once more.
  bool check_sums(const Situation& situation) {
    if (options_.verify != config::Verify::checksum) return true;
    const auto wrong =
        differences(ask_sums(connection_, collect_dir_, situation.survey.files), sums(situation));
    if (wrong.empty()) return true;
    problem_ = "the sum that the peer gives for \"" + printable(wrong.front()) + "\" in " +
               printable(collect_dir_) + " is not that of what arrived" + and_more(wrong.size());
    for (const std::string& path : wrong) {
      distrusted_.insert(path);
      forget(situation, path);
    }
    return false;
  }

  static std::string and_more(std::size_t count) {
    return count > 1 ? " (and " + std::to_string(count - 1) + " more files)" : "";
  }

  void forget(const Situation& situation, const std::string& path) {
    for (const SourceFile& file : situation.survey.files) {
      if (file.path.bytes() != path) continue;
      fetched_.erase(Spool::name_of(file));
      taken_from_.erase(Spool::name_of(file));
      if (spool_) spool_->discard(Spool::name_of(file));
    }
  }

  /// A part of them may stem from an earlier run, before the peer changed them unseen: these deserve a whole
  /// new transfer.
  bool forget_continued(const Situation& situation, const std::vector<std::string>& paths) {
    const std::set<std::string> wrong(paths.begin(), paths.end());
    bool any = false;
    for (const SourceFile& file : situation.survey.files) {
      if (!wrong.contains(file.path.bytes()) || continued_.erase(Spool::name_of(file)) == 0) continue;
      forget(situation, file.path.bytes());
      any = true;
    }
    if (any) problem_ = "\"" + printable(paths.front()) + "\" is not what the peer's cback.sha256 says";
    return any;
  }

  // --- publishing ---

  bool changes_day(const Situation& situation) const {
    if (!situation.held || situation.plan.new_directories) return true;
    for (const std::size_t index : situation.plan.fetch) {
      const SourceFile& file = situation.survey.files[index];
      if (!holds(*situation.held, file.path.bytes(), file.size, fetched_.at(Spool::name_of(file))))
        return true;
    }
    return false;
  }

  NewTree new_tree(const Situation& situation) const {
    NewTree tree;
    for (const SourceDirectory& directory : situation.survey.directories) {
      tree.directories.emplace(directory.path.bytes(), modes_.directory(directory.permissions));
    }
    for (const std::size_t index : situation.plan.fetch) {
      const SourceFile& file = situation.survey.files[index];
      const std::string name = Spool::name_of(file);
      tree.files.emplace(file.path.bytes(), NewFile{name, fetched_.at(name)});
    }
    if (situation.held) {
      tree.directories.insert(situation.held->directories.begin(), situation.held->directories.end());
      for (const auto& [path, file] : situation.held->files)
        tree.files.try_emplace(path, NewFile{std::nullopt, file.sum});
    }
    return tree;
  }

  std::optional<StagedTree> publish_tree(const Situation& situation) {
    try {
      publish(place_, open_spool(), new_tree(situation), situation.held, modes_, durability_, observer_);
    } catch (const SyncFailed& error) {
      problem_ = error.what();
      fetched_.clear();
      taken_from_.clear();
      spool_->discard_all();
      return std::nullopt;
    }
    tell_files(situation);
    StagedTree result = count(situation);
    result.changed = true;
    return result;
  }

  std::optional<Date> fetched_on(const Situation& situation, const SourceFile& file) const {
    const std::string name = Spool::name_of(file);
    if (const auto taken = taken_from_.find(name); taken != taken_from_.end()) return taken->second;
    const HeldFile* held = situation.held_file(file.path.bytes());
    return fetched_.contains(name) || held == nullptr || !held->tag ? std::nullopt : held->tag->fetched_on;
  }

  /// The same files that the manifest names.
  void tell_files(const Situation& situation) {
    for (const SourceFile& file : situation.survey.files) {
      if (const auto sum = sum_of(situation, file))
        observer_.file({file.path.bytes(), file.size, *sum, file.modified, fetched_on(situation, file)});
    }
    if (!situation.held) return;
    for (const auto& [path, file] : situation.held->files) {
      if (situation.survey.has_file(path)) continue;
      if (const auto staged = staged_file(path, file)) observer_.file(*staged);
    }
  }

  /// Syncs nevertheless: the run that published may have died before it came to this.
  StagedTree unchanged(const Situation& situation) {
    place_.day().sync();
    if (const auto spool = Spool::find(place_.spools(), place_.peer_name(), place_.owner())) spool->remove();
    return count(situation);
  }

  StagedTree dry_result(const Situation& situation) {
    std::uint64_t bytes = 0;
    for (const std::size_t index : situation.plan.fetch) bytes += situation.survey.files[index].size;
    progress_.plan(situation.plan.fetch.size(), bytes);
    StagedTree result = count(situation);
    result.changed = !situation.held || !situation.plan.nothing_to_do();
    return result;
  }

  /// What came from the peer: its files of now, and those of earlier today that it does not have any more.
  StagedTree count(const Situation& situation) const {
    StagedTree result;
    result.skipped = situation.survey.skipped;
    result.files = situation.survey.files.size();
    result.bytes = situation.survey.bytes();
    result.reused_files = situation.plan.kept.size() + reused_;
    if (!situation.held) return result;
    for (const auto& [path, file] : situation.held->files) {
      if (!file.sum || situation.survey.has_file(path)) continue;
      ++result.files;
      ++result.reused_files;
      result.bytes += file.size;
    }
    return result;
  }

  Connection& connection_;
  const std::string& collect_dir_;
  PeerPlace& place_;
  const StageOptions& options_;
  Observer& observer_;
  const FileModes modes_;
  Throttle throttle_;
  Progress progress_;
  Durability durability_ = Durability::each_file;
  std::optional<Spool> spool_;
  std::map<std::string, Digest> fetched_;   ///< complete in the spool, by name there
  std::map<std::string, Date> taken_from_;  ///< of these, the day on which they were fetched
  std::set<std::string> continued_;         ///< of these: partly or all from an earlier run
  std::uint64_t reused_ = 0;
  std::set<std::string> distrusted_;  ///< paths that the day holds, but differently from the peer
  std::string problem_;               ///< why another pass is needed
};

}  // namespace

StagedTree stage_tree(Connection& connection, const std::string& collect_dir, PeerPlace& place,
                      const StageOptions& options, Observer& observer) {
  return Staging(connection, collect_dir, place, options, observer).run();
}

}  // namespace peerstage::peers::staging
