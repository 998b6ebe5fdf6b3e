#include "peers/staging/staging_area.h"

#include <cerrno>
#include <utility>

#include <boost/filesystem/operations.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "peers/peer.h"
#include "peers/staging/publish.h"
#include "peers/staging/staged_days.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

namespace fs = boost::filesystem;

const std::string lock_name = ".lock";  // no peer can have this name
const std::string new_marker_name = ".marker";

/// Makes a path that a person configured, with its parents, and makes each new name durable.
void make_with_parents(const fs::path& path) {
  if (path.empty() || fs::exists(path)) return;
  make_with_parents(path.parent_path());
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) {
    throw system_error("cannot make the staging directory " + printable(path.string()), errno);
  }
  Directory::open(path.has_parent_path() ? path.parent_path().string() : ".").sync();
}

fs::path nearest_existing(fs::path path) {
  while (!path.empty() && !fs::is_directory(path)) path = path.parent_path();
  return path.empty() ? fs::path(".") : path;
}

/// What we made must be what we find under its name: not a link, ours, empty. Only such a directory is handed
/// over: anything else that is root's may have been moved here by the owner of the tree, who wants it.
bool is_new_and_ours(const Directory& directory) {
  return directory.status().st_uid == ::geteuid() && directory.empty();
}

struct Opened {
  Directory directory;
  bool made = false;
};

Opened as_existing(Directory existing, const std::optional<Ownership>& owner) {
  // The run that made it may have died before it handed it over, or be about to.
  if (owner && is_new_and_ours(existing)) give_to(owner, existing.descriptor(), printable(existing.path()));
  return {std::move(existing), false};
}

Opened open_or_make(const Directory& parent, const std::string& name, mode_t mode,
                    const std::optional<Ownership>& owner) {
  if (auto existing = parent.find_directory(name)) return as_existing(std::move(*existing), owner);
  if (::mkdirat(parent.descriptor(), name.c_str(), mode) != 0) {
    if (errno != EEXIST) throw system_error("cannot make the directory " + parent.shown(name), errno);
    return as_existing(parent.open_directory(name), owner);
  }
  Directory made = parent.open_directory(name);
  if (is_new_and_ours(made)) {
    give_to(owner, made.descriptor(), printable(made.path()));
    return {std::move(made), true};
  }
  // Another run that began when this one did has found it, and has handed it over or is at work in it.
  if (!owner || made.status().st_uid == owner->uid) return {std::move(made), false};
  throw PeerError(FailureKind::permanent,
                  "somebody replaced " + printable(made.path()) +
                      " while it was made; find out who writes to the staging directory");
}

bool same_file(const struct stat& left, const struct stat& right) {
  return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/// A peer's spool has a name that a peer can have; nothing else below our directory has.
bool can_be_spool(const std::string& name) {
  return !name.empty() && name.front() != '.';
}

/// The whole of the lock file.
struct flock whole_file(short type) {
  struct flock whole {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  return whole;
}

}  // namespace

bool is_run_at_work(const Directory& staging_dir) {
  // One of its own: what this takes goes with it, before a run that comes now has lost its patience.
  const Descriptor directory = open_beneath(staging_dir.descriptor(), ".", O_RDONLY | O_DIRECTORY);
  if (directory && ::flock(directory.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
  const std::string path = std::string(private_name) + "/" + lock_name;
  const Descriptor file = open_beneath(staging_dir.descriptor(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return errno != ENOENT && errno != ENOTDIR;
  struct flock whole = whole_file(F_WRLCK);
  return ::fcntl(file.get(), F_OFD_GETLK, &whole) != 0 || whole.l_type != F_UNLCK;
}

std::string day_path(Date date) {
  const auto [year, month, day] = day_components(date);
  return year + "/" + month + "/" + day;
}

StagingArea::StagingArea(std::optional<Ownership> owner, RunMode mode, Directory disk)
    : owner_(owner), mode_(mode), disk_(std::move(disk)) {}

StagingArea StagingArea::open(const fs::path& staging_dir, std::optional<Ownership> owner, RunMode mode) {
  try {
    if (mode == RunMode::real) make_with_parents(staging_dir);
    StagingArea area(owner, mode, Directory::open(nearest_existing(staging_dir).string()));
    if (fs::exists(staging_dir)) {
      area.root_ = Directory::open(staging_dir.string());
      area.open_private_directory();
    }
    return area;
  } catch (const fs::filesystem_error& error) {
    throw PeerError(FailureKind::permanent, "cannot use the staging directory " +
                                                printable(staging_dir.string()) + ": " +
                                                error.code().message());
  }
}

void StagingArea::open_private_directory() {
  if (mode_ == RunMode::dry_run) {
    private_ = root_->find_directory(private_name);
    return;
  }
  const Opened opened = open_or_make(*root_, private_name, 0700, owner_);
  private_ = opened.directory.duplicate();
  if (!owner_ || ::geteuid() != 0) return;
  // It may be of another backup user, or of a run that was not root's. What is root's was not made by us: it
  // may have been renamed to get into other hands.
  const uid_t present = private_->status().st_uid;
  if (present == 0 && owner_->uid != 0) {
    throw PeerError(
        FailureKind::permanent,
        printable(private_->path()) +
            " belongs to root, but the backup user has to work in it; remove it, or give it to him");
  }
  give_to(owner_, private_->descriptor(), printable(private_->path()));
}

/// Whatever becomes of the lock file, and on whichever way the directory was reached. Where a file system has
/// no such locks, the file decides alone.
bool StagingArea::try_lock_directory() const {
  return ::flock(disk_.descriptor(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool StagingArea::try_lock() {
  if (mode_ == RunMode::dry_run) return true;
  if (!try_lock_directory()) return false;
  const Directory& directory = private_directory();
  for (int tries_left = 100; tries_left > 0; --tries_left) {
    Descriptor file = directory.open_file(lock_name, O_RDWR);
    if (!file && errno == ENOENT) file = directory.create_file(lock_name, 0600);
    if (!file && errno == EEXIST) continue;
    if (!file) throw system_error("cannot open the lock " + directory.shown(lock_name), errno);
    struct stat locked {};
    if (::fstat(file.get(), &locked) != 0)
      throw system_error("cannot look at " + directory.shown(lock_name), errno);
    // A file with content, or with another name elsewhere, is none of ours: somebody wants it handed over.
    if (locked.st_size != 0 || locked.st_nlink > 1) {
      throw PeerError(FailureKind::permanent, "refused " + directory.shown(lock_name) +
                                                  ": it is not the empty file that we made; find out who put "
                                                  "it there, and remove it");
    }
    give_to(owner_, file.get(), directory.shown(lock_name));
    struct flock whole = whole_file(F_WRLCK);
    if (::fcntl(file.get(), F_OFD_SETLK, &whole) != 0) {
      if (errno == EAGAIN || errno == EACCES) return false;
      throw system_error("cannot lock " + directory.shown(lock_name), errno);
    }
    const auto named = directory.find(lock_name);
    if (!named || !same_file(locked, *named))
      continue;  // removed meanwhile: somebody else may hold its successor
    lock_ = std::move(file);
    return true;
  }
  throw PeerError(FailureKind::transient,
                  "cannot lock " + directory.shown(lock_name) + ": somebody removes it again and again");
}

FreeSpace StagingArea::free_space() const {
  return free_space_of(disk_.descriptor());
}

void StagingArea::remove_leftovers(const std::set<std::string>& configured_peers, Observer& observer) {
  if (mode_ == RunMode::dry_run) return;
  private_directory().unlink(new_marker_name);
  for (const std::string& name : private_directory().list()) {
    if (!can_be_spool(name)) continue;
    try {
      remove_leftovers_of(name, configured_peers.contains(name), observer);
    } catch (const PeerError& error) {
      // Not worth a run: the peer itself will tell if it cannot work with what is there.
      observer.event(EventLevel::warning, std::string("leftovers of an earlier run stay: ") + error.what());
    }
  }
}

void StagingArea::remove_leftovers_of(const std::string& peer, bool configured, Observer& observer) {
  const auto spool = Spool::find(private_directory(), peer, owner_);
  if (!spool) return;
  for (const Date date : spool->publishing()) {
    if (const auto day = find_day(date)) clear_unfinished(*day, peer);
    spool->forget_publishing(date);
    observer.event(EventLevel::info,
                   "cleared up an unfinished publication of " + printable(peer) + " in " + day_path(date));
  }
  if (configured) return spool->forget_other_boots();
  if (spool->remove()) {
    observer.event(EventLevel::info, "removed the unfinished transfer of " + printable(peer) +
                                         ", which is not configured any more");
  } else {
    observer.event(EventLevel::warning,
                   "left " + private_directory().shown(peer) + " alone: something in it is not ours");
  }
}

std::optional<Directory> StagingArea::find_day(Date date) const {
  return root_ ? staging::find_day(*root_, date) : std::nullopt;
}

void StagingArea::open_day(Date date) {
  date_ = date;
  if (mode_ == RunMode::dry_run) {
    day_ = find_day(date);
    return;
  }
  Directory current = root_.value().duplicate();
  std::string path;
  for (const std::string& name : day_components(date)) {
    Opened next = open_or_make(current, name, 0777, owner_);
    path += (path.empty() ? "" : "/") + name;
    if (next.made) made_.push_back(path);
    // Also when it is old: the run that made it may have died before it came to this.
    current.sync();
    current = std::move(next.directory);
  }
  day_ = std::move(current);
}

const Directory& StagingArea::day() const {
  return day_.value();
}

PeerPlace StagingArea::place(const std::string& peer_name) const {
  const auto copy = [](const std::optional<Directory>& directory) {
    return directory ? std::optional(directory->duplicate()) : std::nullopt;
  };
  std::optional<StagedBefore> before;
  if (root_) before = find_before(*root_, date_.value(), peer_name);
  return PeerPlace(
      {peer_name, date_.value(), owner_, disk_.duplicate(), copy(private_), copy(day_), std::move(before)});
}

bool StagingArea::has_peer(const std::string& peer_name) const {
  if (!day_) return false;
  const auto status = day().find(peer_name);
  if (!status || !S_ISDIR(status->st_mode)) return false;
  return day().open_directory(peer_name).find(manifest_name).has_value();
}

bool StagingArea::day_marked() const {
  const auto status = day_ ? day().find(stage_indicator) : std::nullopt;
  return status && S_ISREG(status->st_mode);
}

void StagingArea::mark_day() {
  if (mode_ == RunMode::dry_run || day_marked()) return;
  const Directory& directory = private_directory();
  directory.unlink(new_marker_name);
  const Descriptor marker = directory.create_file(new_marker_name, 0666);
  if (!marker) throw system_error("cannot create " + directory.shown(new_marker_name), errno);
  give_to(owner_, marker.get(), directory.shown(new_marker_name));
  if (!sync_to_disk(marker.get()))
    throw system_error("cannot sync " + directory.shown(new_marker_name), errno);
  rename_new({directory, new_marker_name}, {day(), stage_indicator});
  day().sync();
}

void StagingArea::unmark_day() {
  if (mode_ == RunMode::dry_run || !day_) return;
  if (day().unlink(stage_indicator)) day().sync();
}

void StagingArea::close_day() {
  if (mode_ == RunMode::real) {
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) {
      const std::size_t slash = path->rfind('/');
      const std::string parent = slash == std::string::npos ? "" : path->substr(0, slash);
      if (!root_->open_below(parent).remove_directory(path->substr(slash + 1))) break;
    }
  }
  made_.clear();
  day_.reset();
}

}  // namespace peerstage::peers::staging
