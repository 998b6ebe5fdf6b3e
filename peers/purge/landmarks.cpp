#include "peers/purge/landmarks.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>

#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/staging/staging_area.h"
#include "peers/text.h"

namespace peerstage::peers::purge {
namespace {

/// A path that leads us nowhere: what is there cannot be purged by us either.
bool leads_nowhere(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR || error_number == EACCES ||
         error_number == ELOOP || error_number == ENAMETOOLONG;
}

/// For looking at it and at what is in it, not for listing: search permission is enough.
std::optional<staging::Directory> find_directory(const std::string& path) {
  Descriptor descriptor(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (descriptor) return staging::Directory(std::move(descriptor), path);
  if (leads_nowhere(errno)) return std::nullopt;
  throw system_error("cannot open the directory " + printable(path), errno);
}

/// The directory, the one that holds it, and so on up to the root.
std::vector<FileId> way_up(const staging::Directory& directory) {
  std::vector<FileId> way;
  Descriptor above;
  for (int current = directory.descriptor();; current = above.get()) {
    struct stat status {};
    if (::fstat(current, &status) != 0)
      throw system_error("cannot look at what is above " + printable(directory.path()), errno);
    if (!way.empty() && way.back() == id_of(status)) return way;
    way.push_back(id_of(status));
    above.reset(::openat(current, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!above) throw system_error("cannot look at what is above " + printable(directory.path()), errno);
  }
}

std::optional<FileId> find_in(const staging::Directory& directory, const char* name) {
  struct stat status {};
  if (::fstatat(directory.descriptor(), name, &status, AT_SYMLINK_NOFOLLOW) == 0) return id_of(status);
  if (leads_nowhere(errno)) return std::nullopt;
  throw system_error("cannot look at " + directory.shown(name), errno);
}

}  // namespace

FileId id_of(const struct stat& status) {
  return {status.st_dev, status.st_ino};
}

Landmarks::Landmarks(const PurgeOptions& options) {
  const auto last = [this](const std::string& path) {
    auto directory = find_directory(path);
    if (directory) lasting_.insert(id_of(directory->status()));
    return directory;
  };
  for (const std::string& path : options.collect_dirs) {
    auto directory = last(path);
    if (!directory || options.unstaged == config::UnstagedData::remove) continue;
    const FileId id = id_of(directory->status());
    const StagedState state = StagedState::of(*directory);
    collects_.try_emplace(id, CollectPlace{path, state, std::move(*directory)});
  }
  for (const config::PurgeDirectory& each : options.directories) last(each.abs_path);
  for (const std::string& path : options.lasting) last(path);
  if (!options.staging_dir) return;
  staging_ = last(*options.staging_dir);
  if (!staging_) return;
  staging_id_ = id_of(staging_->status());
  private_id_ = find_in(*staging_, staging::private_name);
}

Position Landmarks::position_of(const staging::Directory& directory) const {
  const std::vector<FileId> way = way_up(directory);
  Position position;
  for (auto id = way.rbegin(); id != way.rend(); ++id) position = position_below(position, *id);
  return position;
}

Position Landmarks::position_below(const Position& parent, FileId directory) const {
  Position position = parent;
  if (position.staging_depth) ++*position.staging_depth;
  if (const auto found = collects_.find(directory); found != collects_.end())
    position.collect = &found->second;
  if (directory == staging_id_) position.staging_depth = 0;
  if (directory == private_id_) position.in_private = true;
  return position;
}

bool Landmarks::is_staging_at_work() const {
  return staging_ && staging::is_run_at_work(*staging_);
}

}  // namespace peerstage::peers::purge
