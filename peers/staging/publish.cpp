#include "peers/staging/publish.h"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/peer.h"
#include "peers/staging/file_io.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

/// Of store, encrypt, split and amazons3.
constexpr std::array<const char*, 4> foreign_markers = {"cback.store", "cback.encrypt", "cback.split",
                                                        "cback.amazons3"};

/// Names that no other tool looks into. A long peer name is replaced by its hash, to stay within 255 bytes.
std::string name_beside(const char* suffix, const std::string& peer) {
  const std::string prefix = std::string(unpublished_prefix) + suffix;
  if (peer.size() <= 200) return prefix + peer;
  Sha256 hash;
  hash.add(peer);
  return prefix + hash.finish().hex();
}
std::string new_name(const std::string& peer) {
  return name_beside(".", peer);
}
std::string old_name(const std::string& peer) {
  return name_beside("-old.", peer);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}
std::string name_in(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

/// Walks over a tree in the order of paths, keeping the directory open that it is in.
class Cursor {
 public:
  explicit Cursor(const Directory& root) : root_(root) {}
  const Directory& parent_of_entry(const std::string& path) {
    std::string parent = parent_of(path);
    if (!current_ || parent != at_) {
      current_.emplace(root_.open_below(parent));
      at_ = std::move(parent);
    }
    return *current_;
  }

 private:
  const Directory& root_;
  std::string at_;
  std::optional<Directory> current_;
};

void sync_file(int file, const std::string& shown) {
  if (!sync_to_disk(file)) throw system_error("cannot sync " + shown, errno);
}

/// For file systems (and owners) that do not allow a second name.
void copy_file(const Place& from, const Place& to, const std::optional<Ownership>& owner) {
  const std::string shown = to.directory.shown(to.name);
  const Descriptor source = from.directory.open_file(from.name, O_RDONLY);
  struct stat status {};
  if (!source || ::fstat(source.get(), &status) != 0) {
    throw system_error("cannot keep " + from.directory.shown(from.name) + " in the new day", errno);
  }
  const Descriptor copy = to.directory.create_file(to.name, 0600);
  if (!copy) throw system_error("cannot create " + shown, errno);
  read_pieces(source.get(), static_cast<std::uint64_t>(status.st_size), from.directory.shown(from.name),
              [&](std::span<const std::byte> bytes) {
                if (!write_whole(copy.get(), bytes)) throw system_error("cannot write " + shown, errno);
              });
  give_to(owner, copy.get(), shown);
  if (const auto tag = read_tag(source.get())) write_tag(copy.get(), *tag);
  if (::fchmod(copy.get(), status.st_mode & 0777U) != 0)
    throw system_error("cannot set the mode of " + shown, errno);
  sync_file(copy.get(), shown);
}

class Builder {
 public:
  Builder(const PeerPlace& place, const Spool& spool, const NewTree& tree, const Directory* held,
          const FileModes& modes)
      : place_(place),
        spool_(spool),
        tree_(tree),
        held_(held),
        modes_(modes),
        root_(place.day().make_directory(new_name(place.peer_name()), 0700)) {}

  void build() {
    give_to(place_.owner(), root_.descriptor(), printable(root_.path()));
    make_directories();
    fill();
    write_manifest();
  }

  /// Gives the directories their modes, from the bottom up, and makes all of it durable.
  void settle(Durability durability) {
    for (auto directory = tree_.directories.rbegin(); directory != tree_.directories.rend(); ++directory) {
      settle(root_.open_below(directory->first), directory->second, durability);
    }
    settle(root_, modes_.top(), durability);
    // The spool's descriptor is older than every byte that was received, so that it learns of every write
    // that failed.
    const int spool = spool_.directory().descriptor();
    if (durability == Durability::together && uninterrupted([spool] { return ::syncfs(spool); }) != 0) {
      throw SyncFailed(
          FailureKind::permanent,
          system_error("cannot sync the staging file system at " + printable(place_.day().path()), errno)
              .what());
    }
  }

  /// Takes the received files back to the spool, as many as can be, so that they need not be fetched again.
  void give_back() const {
    for (const auto& [path, file] : tree_.files) {
      if (!file.spooled) continue;
      try {
        rename_new({root_.open_below(parent_of(path)), name_in(path)}, {spool_.directory(), *file.spooled});
      } catch (const PeerError&) {
        return;  // this one had not come yet, and so have none of the rest
      }
    }
  }

  const Directory& root() const { return root_; }

 private:
  void make_directories() {
    Cursor cursor(root_);
    for (const auto& [path, mode] : tree_.directories) {
      const Directory made = cursor.parent_of_entry(path).make_directory(name_in(path), 0700);
      give_to(place_.owner(), made.descriptor(), printable(made.path()));
    }
  }

  void fill() {
    Cursor cursor(root_);
    std::optional<Cursor> held;
    if (held_ != nullptr) held.emplace(*held_);
    for (const auto& [path, file] : tree_.files) {
      const std::string name = name_in(path);
      const Place destination{cursor.parent_of_entry(path), name};
      if (file.spooled) {
        rename_new({spool_.directory(), *file.spooled}, destination);
      } else {
        keep({held.value().parent_of_entry(path), name}, destination, file);
      }
    }
  }

  void keep(const Place& from, const Place& to, const NewFile& file) const {
    if (link_file(from, to)) return;
    if (errno != ENOENT) return copy_file(from, to, place_.owner());
    if (!file.sum) return;  // somebody else's, and gone by now
    throw PeerError(
        FailureKind::transient,
        from.directory.shown(from.name) + " vanished while its day was staged; another program works there");
  }

  void write_manifest() const {
    const std::string name = manifest_name;
    const std::string shown = root_.shown(name);
    const std::string text = tree_.manifest();
    const Descriptor file = root_.create_file(name, 0600);
    if (!file) throw system_error("cannot create " + shown, errno);
    if (!write_whole(file.get(), std::as_bytes(std::span(text))))
      throw system_error("cannot write " + shown, errno);
    give_to(place_.owner(), file.get(), shown);
    if (::fchmod(file.get(), modes_.manifest()) != 0)
      throw system_error("cannot set the mode of " + shown, errno);
    sync_file(file.get(), shown);
  }

  static void settle(const Directory& directory, mode_t mode, Durability durability) {
    if (::fchmod(directory.descriptor(), mode) != 0) {
      throw system_error("cannot set the mode of " + printable(directory.path()), errno);
    }
    if (durability == Durability::each_file) directory.sync();
  }

  const PeerPlace& place_;
  const Spool& spool_;
  const NewTree& tree_;
  const Directory* held_;
  const FileModes& modes_;
  Directory root_;
};

void remove_foreign_markers(const Directory& day, Observer& observer) {
  bool removed = false;
  for (const char* marker : foreign_markers) {
    if (!day.unlink(marker)) continue;
    removed = true;
    observer.event(EventLevel::info,
                   "removed " + day.shown(marker) + ", because the day changes after it was marked");
  }
  if (removed) day.sync();  // not to come back after a power cut, beside data that it was not made for
}

/// Builds the new tree and makes it durable. When that fails, what was received goes back to the spool.
Directory build(const PeerPlace& place, const Spool& spool, const NewTree& tree, const Directory* held,
                const FileModes& modes, Durability durability) {
  Builder builder(place, spool, tree, held, modes);
  try {
    builder.build();
    builder.settle(durability);
    return builder.root().duplicate();
  } catch (const PeerError&) {
    builder.give_back();
    clear_unfinished(place.day(), place.peer_name());
    spool.forget_publishing(place.date());
    throw;
  }
}

/// Moves to the new tree what somebody put into the old one while we built.
void rescue_newcomers(const Directory& from, const Directory& to, const std::string& prefix,
                      const HeldTree& held, Observer& observer) {
  for (const std::string& name : from.list()) {
    const std::string path = prefix + name;
    if (path == manifest_name || held.files.contains(path)) continue;
    if (held.directories.contains(path)) {
      rescue_newcomers(from.open_directory(name), to.open_directory(name), path + "/", held, observer);
      continue;
    }
    try {
      rename_new({from, name}, {to, name});
    } catch (const PeerError& error) {
      observer.event(EventLevel::warning,
                     std::string("lost what another program wrote during the staging: ") + error.what());
    }
  }
}

/// The old tree is called new_name() afterwards.
void replace(const Directory& day, const std::string& peer) {
  const std::string fresh = new_name(peer);
  if (exchange({day, fresh}, {day, peer})) return;
  const std::string old = old_name(peer);
  rename_new({day, peer}, {day, old});
  rename_new({day, fresh}, {day, peer});
  day.sync();
  rename_new({day, old}, {day, fresh});
}

}  // namespace

std::string NewTree::manifest() const {
  std::string text;
  for (const auto& [path, file] : files) {
    if (file.sum) text += manifest_line(path, *file.sum);
  }
  return text;
}

void publish(const PeerPlace& place, const Spool& spool, const NewTree& tree,
             const std::optional<HeldTree>& held, const FileModes& modes, Durability durability,
             Observer& observer) {
  const Directory& day = place.day();
  const std::string& peer = place.peer_name();
  const auto old = held ? place.peer_day() : std::nullopt;
  spool.note_publishing(place.date());
  const Directory fresh = build(place, spool, tree, old ? &*old : nullptr, modes, durability);
  remove_foreign_markers(day, observer);
  if (old) {
    replace(day, peer);
  } else {
    rename_new({day, new_name(peer)}, {day, peer});
  }
  day.sync();
  if (old) rescue_newcomers(*old, fresh, "", *held, observer);
  clear_unfinished(day, peer);
  spool.forget_publishing(place.date());
  spool.remove();
}

void clear_unfinished(const Directory& day, const std::string& peer) {
  const std::string fresh = new_name(peer);
  const std::string old = old_name(peer);
  const auto found = day.find(old);
  if (!found && !day.find(fresh)) return;
  // A day is a directory: whatever else has this name was put there, and is told of below.
  if (found && S_ISDIR(found->st_mode) && !day.find(peer)) rename_new({day, old}, {day, peer});
  day.sync();  // what is removed now must not be needed after a power cut
  day.remove_tree(fresh);
  day.remove_tree(old);
}

}  // namespace peerstage::peers::staging
