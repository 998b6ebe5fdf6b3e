#include "peers/collect/tree.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/directory_stream.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

/// A link may lead back to a directory on the way down so many times. Cedar Backup knows no such limit but
/// the depth, so its exact content wants some; nobody gains anything from any.
constexpr std::ptrdiff_t returns_in_cedar_content = 3;

/// A trailing slash is none, as in Cedar Backup; other doubled ones stay.
std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

/// For the time of its life, the path is that of an entry in the directory.
class Component {
 public:
  Component(std::string& path, const char* name) : path_(path), length_(path.size()) {
    if (path_.back() != '/') path_ += '/';
    path_ += name;
  }
  ~Component() { path_.resize(length_); }
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

 private:
  std::string& path_;
  std::size_t length_;
};

Descriptor open_directory(int at, const char* name, int flags) {
  flags |= O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOCTTY;
  Descriptor found = open_at(at, name, flags | O_NOATIME);
  if (!found && errno == EPERM) found = open_at(at, name, flags);
  return found;
}

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "fifo";
  if (S_ISSOCK(mode)) return "socket";
  if (S_ISBLK(mode) || S_ISCHR(mode)) return "device";
  return "nothing that can be archived";
}

std::optional<std::string> read_link(int at, const char* name) {
  std::string target(PATH_MAX, '\0');  // not on the stack, of which each level takes its part
  const ssize_t length = ::readlinkat(at, name, target.data(), target.size());
  if (length <= 0) return std::nullopt;
  target.resize(static_cast<std::size_t>(length));
  return target;
}

/// Without ".", ".." and doubled slashes, by the text alone.
std::string normalized(std::string_view path) {
  std::string result;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      result += '/';
      result += part;
    } else if (!result.empty()) {
      result.resize(result.rfind('/'));
    }
  }
  return result.empty() ? "/" : result;
}

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

std::optional<std::string> real_path(const std::string& path) {
  struct Free {
    void operator()(char* text) const { std::free(text); }  // NOLINT: realpath(3) gives it so
  };
  const std::unique_ptr<char, Free> found(::realpath(path.c_str(), nullptr));
  if (!found) return std::nullopt;
  return found.get();
}

/// A directory on the way down. One that is far up lends its descriptor to the ones below: what is left of
/// its names is remembered, and on the way back it is opened again.
class Level {
 public:
  Level(DirectoryStream stream, const struct stat& status)
      : stream_(std::move(stream)), device_(status.st_dev), inode_(status.st_ino) {}

  bool is(const struct stat& status) const { return status.st_dev == device_ && status.st_ino == inode_; }
  bool is_parked() const { return !stream_ && !descriptor_; }
  int descriptor() const { return stream_ ? stream_->descriptor() : descriptor_.get(); }

  /// Valid until the next call. Null at the end, with errno 0, and after an error, with errno set.
  const char* next() {
    if (stream_) {
      const dirent* const entry = stream_->next();
      return entry != nullptr ? entry->d_name : nullptr;
    }
    errno = names_.empty() ? error_ : 0;
    if (names_.empty()) return nullptr;
    name_ = std::move(names_.front());
    names_.pop_front();
    return name_.c_str();
  }

  void park() {
    if (stream_) {
      while (const dirent* entry = stream_->next()) names_.emplace_back(entry->d_name);
      error_ = errno;
      stream_.reset();
    }
    descriptor_.reset();
  }

  /// False, with errno set: it cannot be had any more, and what is left of it neither.
  bool reopen(int below, const std::string& path) {
    for (const auto& [at, name] : {std::pair(below, ".."), std::pair(AT_FDCWD, path.c_str())}) {
      Descriptor found = open_directory(at, name, 0);
      struct stat status {};
      if (!found || ::fstat(found.get(), &status) != 0) continue;
      if (is(status)) {
        descriptor_ = std::move(found);
        return true;
      }
      errno = ENOENT;
    }
    error_ = errno;
    names_.clear();
    return false;
  }

 private:
  std::optional<DirectoryStream> stream_;
  Descriptor descriptor_;
  std::deque<std::string> names_;
  std::string name_;
  int error_ = 0;
  dev_t device_;
  ino_t inode_;
};

class Walk {
 public:
  Walk(const TreeRules& rules, TreeReceiver& receiver) : rules_(rules), receiver_(receiver) {}

  void run(const std::string& top) {
    entry_.path = without_trailing_slashes(top);
    if (!walk_top(rules_.link_depth))
      throw system_error("cannot collect the directory " + printable(top), errno);
  }

  void run_below(Descriptor directory, const std::string& path) {
    entry_.path = path;
    if (!is_excluded() && !is_ignored(directory.get()))
      enter(-1, std::move(directory), false, rules_.link_depth);
  }

 private:
  /// So many directories on the way down are open; the kernel allows a program few descriptors.
  static constexpr std::size_t most_open = 64;
  /// A level takes some of the stack; this many take less than half of the usual 8 MiB.
  static constexpr std::size_t most_levels = 4000;

  bool is_cedar() const { return rules_.content == config::ArchiveContent::cedar; }
  std::string& path() { return entry_.path; }
  bool is_excluded() { return rules_.excludes && rules_.excludes(path()); }

  /// `links` is how many levels down from a directory links in it are followed. False, with errno set: there
  /// is no directory of this path.
  bool walk_top(std::int64_t links) {
    struct stat status {};
    if (::lstat(path().c_str(), &status) != 0) return false;
    Descriptor directory = open_directory(AT_FDCWD, path().c_str(), 0);
    if (!directory) return false;
    if (is_excluded() || is_ignored(directory.get())) return true;
    const bool is_link = S_ISLNK(status.st_mode);
    if (is_link && is_cedar()) tell(-1, status);
    enter(-1, std::move(directory), is_link, links);
    return true;
  }

  bool is_ignored(int directory) const {
    return !rules_.ignore_file.empty() && ::faccessat(directory, rules_.ignore_file.c_str(), F_OK, 0) == 0;
  }

  void tell(int directory, const struct stat& status) {
    entry_.directory = directory;
    entry_.status = status;
    entry_.is_followed_link = false;
    entry_.opened = -1;
    receiver_.entry(entry_);
  }

  void failed(const char* tried) {
    const int error = errno;
    receiver_.failed(path(), system_error(std::string(tried) + " " + printable(path()), error).what());
  }

  bool is_too_deep() const { return way_.size() >= most_levels; }

  void say_too_deep() {
    receiver_.failed(path(), "cannot collect what is below " + printable(path()) + ": it lies deeper than " +
                                 std::to_string(most_levels) + " directories; move it up, or exclude it");
  }

  /// Tells of an open directory and of what is in it.
  void enter(int parent, Descriptor directory, bool is_followed, std::int64_t links) {
    entry_.directory = parent;
    entry_.opened = directory.get();
    entry_.is_followed_link = is_followed;
    struct stat status {};
    if (::fstat(directory.get(), &status) != 0) return failed("cannot look at");
    entry_.status = status;
    receiver_.entry(entry_);
    descend(std::move(directory), status, links, parent >= 0);
  }

  void descend(Descriptor directory, const struct stat& status, std::int64_t links, bool is_below) {
    DirectoryStream stream(std::move(directory));
    if (!stream) return failed("cannot list the directory");
    Level level(std::move(stream), status);
    way_.push_back(&level);
    if (way_.size() > most_open) way_[way_.size() - most_open - 1]->park();
    while (const char* name = level.next()) visit(level.descriptor(), name, links);
    if (errno != 0) failed("cannot list the directory");
    way_.pop_back();
    if (is_below) go_back(level.descriptor());
  }

  /// `below` is what was walked last, or -1 where that is elsewhere. The path is its path, or one beside it.
  void go_back(int below) {
    if (way_.empty() || !way_.back()->is_parked()) return;
    const std::string above = path().substr(0, std::max<std::size_t>(path().rfind('/'), 1));
    if (!way_.back()->reopen(below, above)) failed("cannot go back to the directory above");
  }

  void visit(int directory, const char* name, std::int64_t links) {
    const Component component(path(), name);
    struct stat status {};
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) failed("cannot look at");
      return;
    }
    const bool excluded = is_excluded();
    if (S_ISLNK(status.st_mode)) return link({directory, name, status}, links, excluded);
    if (excluded) return;
    if (S_ISREG(status.st_mode)) return tell(directory, status);
    if (S_ISDIR(status.st_mode)) return subdirectory({directory, name, status}, links - 1);
    receiver_.skipped(path(), kind_of(status.st_mode));
  }

  struct Found {
    int directory;
    const char* name;
    const struct stat& status;
  };

  void subdirectory(const Found& found, std::int64_t links) {
    Descriptor directory = open_directory(found.directory, found.name, O_NOFOLLOW);
    if (directory) {
      if (is_ignored(directory.get())) return;
      if (!is_too_deep()) return enter(found.directory, std::move(directory), false, links);
      tell(found.directory, found.status);
      return say_too_deep();
    }
    if (errno == ENOENT) return;
    const int error = errno;
    if (error == EACCES) tell(found.directory, found.status);
    errno = error;
    failed("cannot open the directory");
  }

  // --- links

  void link(const Found& found, std::int64_t links, bool excluded) {
    struct stat target {};
    const bool wants_target = is_cedar() || links > 0;
    const bool exists = wants_target && ::fstatat(found.directory, found.name, &target, 0) == 0;
    if (is_cedar() && (!exists || (!S_ISREG(target.st_mode) && !S_ISDIR(target.st_mode)))) {
      if (!excluded)
        receiver_.skipped(path(),
                          exists ? std::string("link to a ") + kind_of(target.st_mode) : "dangling link");
      return;
    }
    const bool is_followed = exists && links > 0;
    if (is_followed && rules_.dereference) {
      if (!excluded) tell(found.directory, found.status);
      if (!excluded || is_cedar()) dereference(found, target, links - 1);
      return;
    }
    if (excluded) return;
    if (is_followed && S_ISDIR(target.st_mode) && follow(found, target, links - 1)) return;
    tell(found.directory, found.status);
  }

  bool leads_back(const struct stat& target) const {
    const auto times =
        std::count_if(way_.begin(), way_.end(), [&](const Level* level) { return level->is(target); });
    return times > (is_cedar() ? returns_in_cedar_content : 0);
  }

  /// False: it stays a link.
  bool follow(const Found& found, const struct stat& target, std::int64_t links) {
    if (leads_back(target)) return false;
    Descriptor directory = open_directory(found.directory, found.name, 0);
    if (!directory) {
      failed("cannot open the directory");
      return false;
    }
    if (is_ignored(directory.get())) return true;
    if (is_too_deep()) {
      say_too_deep();
      return false;
    }
    enter(found.directory, std::move(directory), true, links);
    return true;
  }

  void dereference(const Found& found, const struct stat& target, std::int64_t links) {
    if (S_ISDIR(target.st_mode) && leads_back(target)) return;
    if (S_ISDIR(target.st_mode) && is_too_deep()) return say_too_deep();
    auto own_path = path_of_target(found, target);
    if (!own_path) return;
    std::swap(path(), *own_path);
    struct stat status {};
    if (S_ISDIR(target.st_mode)) {
      if (!walk_top(links)) failed("cannot open the directory");
    } else if (::lstat(path().c_str(), &status) == 0 && !is_excluded()) {
      if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)) {
        tell(-1, status);
      } else {
        receiver_.skipped(path(), kind_of(status.st_mode));
      }
    }
    std::swap(path(), *own_path);
    go_back(-1);
  }

  /// The real path. Cedar Backup takes what the text of the link says; so do we for its exact content, where
  /// that is the same thing.
  std::optional<std::string> path_of_target(const Found& found, const struct stat& target) {
    const auto text = is_cedar() ? read_link(found.directory, found.name) : std::nullopt;
    if (text) {
      const std::string base = path().substr(0, path().rfind('/') + 1);
      std::string said = normalized(text->front() == '/' ? *text : base + *text);
      struct stat status {};
      if (::stat(said.c_str(), &status) == 0 && is_same(status, target)) return said;
    }
    return real_path(path());
  }

  const TreeRules& rules_;
  TreeReceiver& receiver_;
  TreeEntry entry_;  ///< its path is where we are
  std::vector<Level*> way_;
};

class Split {
 public:
  explicit Split(const TreeRules& rules) : rules_(rules) {}

  std::vector<TreePart> run(const std::string& top, std::int64_t level) {
    TreePart last{top, {}};
    path_ = without_trailing_slashes(top);
    const Descriptor directory = open_directory(AT_FDCWD, path_.c_str(), 0);
    if (!directory) throw system_error("cannot collect the directory " + printable(top), errno);
    if (level < 0 || level > most_levels) level = most_levels;
    if (level != 0 && !is_excluded()) last.without = subdirectories(directory.get(), level);
    parts_.push_back(std::move(last));
    return std::move(parts_);
  }

 private:
  /// Each holds a descriptor, of which a program has a thousand. What is deeper has no part of its own.
  static constexpr std::int64_t most_levels = 200;

  bool is_excluded() const { return rules_.excludes && rules_.excludes(path_); }

  /// Makes a part of each, and returns their paths. What cannot be listed is not split; its walk will tell.
  std::vector<std::string> subdirectories(int directory, std::int64_t level) {
    std::vector<std::string> found;
    for (const std::string& name : names(directory)) {
      const Component component(path_, name.c_str());
      if (is_excluded()) continue;
      TreePart part{path_, {}};
      const Descriptor subdirectory = open_directory(directory, name.c_str(), O_NOFOLLOW);
      if (!subdirectory && errno == ENOENT) continue;
      if (subdirectory && level != 1) part.without = subdirectories(subdirectory.get(), level - 1);
      parts_.push_back(std::move(part));
      found.push_back(path_);
    }
    return found;
  }

  static std::vector<std::string> names(int directory) {
    std::vector<std::string> found;
    DirectoryStream entries(open_directory(directory, ".", 0));
    if (!entries) return found;
    while (const dirent* entry = entries.next()) {
      if (is_directory(directory, *entry)) found.emplace_back(entry->d_name);
    }
    return found;
  }

  static bool is_directory(int directory, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat status {};
    return ::fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
  }

  const TreeRules& rules_;
  std::string path_;
  std::vector<TreePart> parts_;
};

}  // namespace

EntryLocation location_of(const TreeEntry& entry) {
  if (entry.directory < 0) return {AT_FDCWD, entry.path.c_str()};
  return {entry.directory, entry.path.c_str() + entry.path.rfind('/') + 1};
}

void walk_tree(const std::string& top, const TreeRules& rules, TreeReceiver& receiver) {
  Walk(rules, receiver).run(top);
}

bool walk_part(int top, const std::string& relative, const std::string& path, const TreeRules& rules,
               TreeReceiver& receiver) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOCTTY;
  Descriptor directory = open_beneath(top, relative, flags | O_NOATIME);
  if (!directory && errno == EPERM) directory = open_beneath(top, relative, flags);
  if (!directory && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR)) return false;
  if (!directory) throw system_error("cannot collect the directory " + printable(path), errno);
  Walk(rules, receiver).run_below(std::move(directory), path);
  return true;
}

std::vector<TreePart> split_tree(const std::string& top, std::int64_t recursion_level,
                                 const TreeRules& rules) {
  return Split(rules).run(top, recursion_level);
}

}  // namespace peerstage::peers::collect
