#include "peers/purge/tree_purge.h"

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>

#include "peers/failure.h"
#include "peers/peer.h"
#include "peers/purge/age.h"
#include "peers/staging/publish.h"
#include "peers/staging/staging_area.h"
#include "peers/text.h"

namespace peerstage::peers::purge {
namespace {

constexpr std::size_t failures_kept = 100;
/// A descriptor and some stack each. Nobody stages or collects anything so deep.
constexpr unsigned deepest = 500;
/// Of a day below the staging directory: YYYY/MM/DD.
constexpr unsigned depth_of_days = 3;

timespec to_timespec(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  timespec result{};
  result.tv_sec = seconds.time_since_epoch().count();
  result.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds).count();
  return result;
}

/// Also of a directory of the same file system that is mounted here a second time.
bool is_mounted_on(const staging::Directory& directory) {
  struct statx status {};
  if (::statx(directory.descriptor(), "", AT_EMPTY_PATH, 0, &status) != 0)
    throw system_error("cannot look at " + printable(directory.path()), errno);
  return (status.stx_attributes & status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0;
}

Removal::Kind kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return Removal::Kind::directory;
  if (S_ISLNK(mode)) return Removal::Kind::symlink;
  if (S_ISFIFO(mode)) return Removal::Kind::fifo;
  if (S_ISSOCK(mode)) return Removal::Kind::socket;
  return Removal::Kind::file;
}

bool is_device(mode_t mode) {
  return S_ISBLK(mode) || S_ISCHR(mode);
}

bool is_indicator(std::string_view name) {
  return name == collect_indicator || name == stage_indicator;
}

/// What says something about other files of a collect directory.
bool is_about_others(std::string_view name) {
  return is_indicator(name) || name == manifest_name;
}

std::string without_slashes_at_end(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

TreePurge::TreePurge(const PurgeOptions& options, const Landmarks& landmarks, Observer& observer,
                     DirectoryReport& report)
    : options_(options),
      landmarks_(landmarks),
      observer_(observer),
      report_(report),
      now_(to_timespec(options.now)) {}

void TreePurge::run() {
  try {
    go_through();
  } catch (const PurgeCancelled&) {
    tell_of_unstaged();
    throw;
  } catch (const std::exception& error) {
    fail(error.what());
  }
  tell_of_unstaged();
}

void TreePurge::go_through() {
  Descriptor descriptor(::open(report_.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor) {
    return fail("cannot purge " + printable(report_.path) + ": " + std::generic_category().message(errno) +
                "; correct purge/dir in the configuration, or mount or make the directory");
  }
  const staging::Directory directory(std::move(descriptor), without_slashes_at_end(report_.path));
  const Position position = landmarks_.position_of(directory);
  if (position.in_private) {
    return fail("refused to purge " + printable(report_.path) +
                ": the lock and the unfinished transfers of " + printable(options_.staging_dir.value_or("")) +
                " are in it, which peerstage clears up itself; take it out of the purge section");
  }
  device_ = directory.status().st_dev;
  empty({directory, position, 0});
}

TreePurge::Content TreePurge::empty(const Here& here) {
  Content content;
  const bool is_collect_dir = landmarks_.is_collect_dir(id_of(here.directory.status()));
  for (const std::string& name : here.directory.list()) {
    if (!is_collect_dir || !is_about_others(name)) visit(here, name, content);
  }
  if (!is_collect_dir) return content;
  visit_manifest(here, content);
  visit_indicators(here, content);
  return content;
}

/// After the files that it names: with them it may have gone already.
void TreePurge::visit_manifest(const Here& here, Content& content) {
  if (without_manifest_.contains(here.position.collect)) return;
  if (here.directory.find(manifest_name)) visit(here, manifest_name, content);
}

/// Last, and only when no file is left about which they could say something: the next purge has to judge,
/// too. The one of the master goes after the other, so that at no moment what was staged looks as if it was
/// not.
void TreePurge::visit_indicators(const Here& here, Content& content) {
  for (const char* name : {collect_indicator, stage_indicator}) {
    if (!here.directory.find(name)) continue;
    if (content.has_files) {
      ++content.remaining;
    } else {
      visit(here, name, content);
    }
  }
}

void TreePurge::visit(const Here& here, const std::string& name, Content& content) {
  if (options_.cancelled && options_.cancelled()) throw PurgeCancelled{};
  Fate fate = Fate::stays_unseen;
  try {
    fate = judge(here, name);
  } catch (const PeerError& error) {
    fail(error.what());
  }
  if (fate == Fate::gone) {
    ++content.gone;
    return;
  }
  ++content.remaining;
  if (fate == Fate::stays_unseen) content.has_files = true;
}

TreePurge::Fate TreePurge::judge(const Here& here, const std::string& name) {
  if (here.position.staging_depth == 0U && name == staging::private_name) return Fate::stays_unseen;
  const auto status = here.directory.find(name);
  if (!status) return Fate::gone;
  const Entry entry{here, name, *status};
  if (S_ISDIR(status->st_mode)) return judge_directory(entry);
  return is_device(status->st_mode) ? Fate::stays_unseen : judge_file(entry);
}

TreePurge::Fate TreePurge::judge_file(const Entry& entry) {
  if (!is_old(last_used(entry.status))) return Fate::stays_unseen;
  const CollectPlace* collect = entry.here.position.collect;
  // Further below, files of these names are data like all others.
  const bool is_of_collect =
      is_indicator(entry.name) && landmarks_.is_collect_dir(id_of(entry.here.directory.status()));
  // When it comes to the master's indicator, nothing is left that it could be about.
  const bool is_free = collect == nullptr || (is_of_collect && entry.name == stage_indicator);
  if (!is_free && !collect->state.is_staged(entry.status)) {
    if (!is_of_collect) ++unstaged_[collect];
    return Fate::stays_unseen;
  }
  remove_file(entry);
  return Fate::gone;
}

TreePurge::Fate TreePurge::judge_directory(const Entry& entry) {
  if (entry.status.st_dev != device_) {
    leave_alone(entry, "another file system is mounted there");
    return Fate::stays_unseen;
  }
  if (entry.here.depth == deepest) {
    fail("cannot purge " + entry.here.directory.shown(entry.name) + ": it lies deeper than " +
         std::to_string(deepest) + " directories; remove it by hand");
    return Fate::stays_unseen;
  }
  const auto directory = entry.here.directory.find_directory(entry.name);
  if (!directory) return Fate::gone;
  // What was opened counts: it may have been put there after the first look.
  const struct stat opened = directory->status();
  if (opened.st_dev != device_ || is_mounted_on(*directory)) {
    leave_alone(entry, "a file system is mounted there");
    return Fate::stays_unseen;
  }
  return judge_content({entry.here, entry.name, opened}, *directory);
}

TreePurge::Fate TreePurge::judge_content(const Entry& entry, const staging::Directory& directory) {
  const Position position = landmarks_.position_below(entry.here.position, id_of(entry.status));
  if (position.in_private) return Fate::stays_unseen;
  const bool is_of_publication = entry.here.position.staging_depth == depth_of_days &&
                                 entry.name.starts_with(staging::unpublished_prefix);
  if (is_of_publication && landmarks_.is_staging_at_work()) {
    leave_alone(entry, "a stage run is at work there");
    return Fate::stays_unseen;
  }
  const Content content = empty({directory, position, entry.here.depth + 1});
  if (content.remaining == 0 && !is_spared(entry, content) && remove_directory(entry)) return Fate::gone;
  return content.has_files ? Fate::stays_unseen : Fate::stays;
}

/// Of an empty directory.
bool TreePurge::is_spared(const Entry& entry, const Content& content) const {
  if (landmarks_.is_lasting(id_of(entry.status))) return true;
  if (content.gone > 0) return false;
  if (!is_old(entry.status.st_mtim)) return true;
  // A run that waits for its peers holds the day that it has made.
  const auto above = entry.here.position.staging_depth;
  return above && *above < depth_of_days && landmarks_.is_staging_at_work();
}

/// A manifest that names what is gone would fail every later look at this collect. Wherever the purge ends,
/// it must not leave one, so the manifest goes first; that of another collect than the one that was staged
/// stays.
void TreePurge::remove_manifest_before(const Entry& entry) {
  const CollectPlace* collect = entry.here.position.collect;
  if (collect == nullptr || without_manifest_.contains(collect)) return;
  const std::string name = manifest_name;
  const auto status = collect->directory.find(name);
  if (!status || S_ISDIR(status->st_mode) || !collect->state.is_staged(*status)) return;
  const Here top{collect->directory, entry.here.position, 0};
  const bool is_itself = id_of(*status) == id_of(entry.status);
  if (!is_itself && (options_.dry_run || collect->directory.unlink(name))) count({top, name, *status});
  without_manifest_.insert(collect);
}

void TreePurge::remove_file(const Entry& entry) {
  remove_manifest_before(entry);
  // Somebody else may have been faster; then it is not ours to tell.
  if (options_.dry_run || entry.here.directory.unlink(entry.name)) count(entry);
}

bool TreePurge::remove_directory(const Entry& entry) {
  if (!options_.dry_run && !entry.here.directory.remove_directory(entry.name)) return false;
  count(entry);
  return true;
}

void TreePurge::count(const Entry& entry) {
  Removal removal;
  removal.kind = kind_of(entry.status.st_mode);
  removal.path = entry.here.directory.path() + "/" + entry.name;
  const bool is_directory = removal.kind == Removal::Kind::directory;
  removal.age_days = age_in_days(is_directory ? entry.status.st_mtim : last_used(entry.status), now_);
  if (removal.kind == Removal::Kind::file) removal.bytes = static_cast<std::uint64_t>(entry.status.st_size);
  ++(is_directory ? report_.directories : report_.files);
  report_.bytes += removal.bytes;
  tell(removal);
  if (options_.dry_run) report_.removals.push_back(std::move(removal));
}

void TreePurge::tell(const Removal& removal) {
  std::string text = std::string(options_.dry_run ? "would remove the " : "removed the ") +
                     to_string(removal.kind) + " " + printable(removal.path);
  if (removal.kind != Removal::Kind::directory)
    text += ", " + counted(static_cast<std::uint64_t>(removal.age_days), "day") + " old";
  if (removal.kind == Removal::Kind::file) text += ", " + counted(removal.bytes, "byte");
  observer_.event(EventLevel::info, text);
}

void TreePurge::tell_of_unstaged() {
  for (const auto& [collect, files] : unstaged_) {
    report_.kept_unstaged += files;
    observer_.event(EventLevel::warning,
                    "kept " + counted(files, "file") + " of the collect directory " +
                        printable(collect->path) + " below " + printable(report_.path) +
                        " that would be old enough to go, because " + collect->state.reason() +
                        "; find out why it is not staged, or set unstaged to remove in <peerstage><purge> to "
                        "lose such files");
  }
}

void TreePurge::fail(const std::string& sentence) {
  if (report_.failures.size() < failures_kept) {
    report_.failures.push_back(sentence);
  } else {
    ++report_.more_failures;
  }
  observer_.event(EventLevel::error, sentence);
}

void TreePurge::leave_alone(const Entry& entry, const std::string& why) {
  observer_.event(EventLevel::warning, "left " + entry.here.directory.shown(entry.name) + " alone: " + why);
}

bool TreePurge::is_old(const timespec& then) const {
  return age_in_days(then, now_) >= report_.retain_days;
}

}  // namespace peerstage::peers::purge
