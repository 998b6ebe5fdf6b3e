#include "peers/staging/examine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "peers/failure.h"
#include "peers/parallel.h"
#include "peers/peer.h"
#include "peers/staging/file_io.h"
#include "peers/staging/hash.h"
#include "peers/staging/manifest.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

using Kind = DayProblem::Kind;

constexpr std::size_t deepest = 64;  // what is staged is never nested deeper
constexpr int looks = 5;
constexpr std::chrono::milliseconds between_looks{100};
/// How much of a file may stay in the page cache behind us, so that reading pushes nobody else's data out.
constexpr std::uint64_t cached_at_most = 16U << 20U;

/// Of stage, store, encrypt, split and amazons3: left by tools that work on staged data.
constexpr std::array<std::string_view, 5> markers = {"cback.stage", "cback.store", "cback.encrypt",
                                                     "cback.split", "cback.amazons3"};

bool is_known(const std::string& path) {
  return path == manifest_name || std::ranges::find(markers, path) != markers.end();
}

/// Nothing, with errno set, when it cannot be opened. What it is, the caller has to look at.
Descriptor open_to_read(const Directory& directory, const std::string& path) {
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Descriptor file = open_beneath(directory.descriptor(), path, flags | O_NOATIME);
  if (!file && errno == EPERM) file = open_beneath(directory.descriptor(), path, flags);
  return file;
}

bool is_regular(const Descriptor& file) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
}

/// What is in memory is not what is on the disk. Only advice: clean pages are dropped.
void drop_cache(const Descriptor& file, std::uint64_t from, std::uint64_t length) {
  ::posix_fadvise(file.get(), static_cast<off_t>(from), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
}

class Examination {
 public:
  Examination(const Directory& root, std::size_t threads, std::atomic<std::uint64_t>& bytes_read)
      : root_(root), threads_(threads), bytes_read_(bytes_read) {}

  ExaminedDay run() {
    if (read_manifest()) {
      const std::vector<std::pair<std::string, Digest>> files(manifest_.begin(), manifest_.end());
      in_parallel(files.size(), threads_, [&](std::size_t i) { examine(files[i].first, files[i].second); });
      look_for_extras();
    }
    std::ranges::sort(day_.problems, {}, &DayProblem::name);
    return std::move(day_);
  }

 private:
  bool read_manifest() {
    const Descriptor file = open_to_read(root_, manifest_name);
    if (!file && errno == ENOENT) {
      add(Kind::no_manifest, manifest_name,
          "there is no " + root_.shown(manifest_name) +
              ": this day was staged by another program, or somebody removed it; its files are not verified");
      return false;
    }
    try {
      if (!file) throw system_error("cannot open it", errno);
      if (!is_regular(file)) throw PeerError(FailureKind::permanent, "it is no file");
      drop_cache(file, 0, 0);
      manifest_ = parse_manifest(read_whole(file.get(), longest_manifest, root_.shown(manifest_name)),
                                 root_.shown(manifest_name));
      // Every day holds the peer's cback.collect at least.
      if (manifest_.empty()) throw PeerError(FailureKind::permanent, "it is empty");
      return true;
    } catch (const PeerError& error) {
      add(Kind::bad_manifest, manifest_name,
          "the manifest " + root_.shown(manifest_name) + " is of no use: " + error.what());
      return false;
    }
  }

  /// From several threads.
  void examine(const std::string& path, const Digest& sum) {
    try {
      const Descriptor file = open_to_read(root_, path);
      struct stat status {};
      if (!file) return cannot_open(path, errno);
      if (::fstat(file.get(), &status) != 0) throw system_error("cannot look at it", errno);
      if (!S_ISREG(status.st_mode)) return is_no_file(path);
      if (read(file, static_cast<std::uint64_t>(status.st_size), path) != sum)
        return add(Kind::damaged, path, shown(path) + " is damaged: its content is not what was staged");
      const std::lock_guard lock(mutex_);
      ++day_.files;
      day_.bytes += static_cast<std::uint64_t>(status.st_size);
    } catch (const std::exception& error) {
      add(Kind::unreadable, path, shown(path) + " cannot be verified: " + error.what());
    }
  }

  void cannot_open(const std::string& path, int why) {
    if (why == ENOENT) return add(Kind::missing, path, shown(path) + " is missing");
    // A link; a link or a file in the place of a directory; a socket.
    if (why == ELOOP || why == ENOTDIR || why == ENXIO) return is_no_file(path);
    add(Kind::unreadable, path, system_error("cannot open " + shown(path), why).what());
  }

  void is_no_file(const std::string& path) {
    add(Kind::damaged, path,
        shown(path) + " is damaged: something else stands in the place of the file that was staged");
  }

  Digest read(const Descriptor& file, std::uint64_t size, const std::string& path) {
    Sha256 hash;
    std::uint64_t at = 0, dropped = 0;
    drop_cache(file, 0, 0);
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    read_pieces(file.get(), size, shown(path), [&](std::span<const std::byte> bytes) {
      hash.add(bytes);
      at += bytes.size();
      bytes_read_ += bytes.size();
      if (at - dropped < cached_at_most) return;
      drop_cache(file, dropped, at - dropped);
      dropped = at;
    });
    drop_cache(file, 0, 0);
    return hash.finish();
  }

  void look_for_extras() {
    try {
      look_for_extras(root_, "", 0);
    } catch (const PeerError& error) {
      add(Kind::unreadable, "", error.what());
    }
  }

  void look_for_extras(const Directory& directory, const std::string& prefix, std::size_t depth) {
    for (const std::string& name : directory.list()) {
      const std::string path = prefix + name;
      const auto status = directory.find(name);
      if (!status || manifest_.contains(path)) continue;
      if (S_ISDIR(status->st_mode) && depth < deepest) {
        if (const auto inside = directory.find_directory(name))
          look_for_extras(*inside, path + "/", depth + 1);
      } else if (!is_known(path)) {
        add(Kind::extra, path, shown(path) + " was not staged: the manifest does not name it");
      }
    }
  }

  std::string shown(const std::string& path) const { return root_.shown(path); }

  void add(Kind kind, const std::string& name, const std::string& message) {
    const std::lock_guard lock(mutex_);
    day_.problems.push_back({kind, name, message});
  }

  const Directory& root_;
  std::size_t threads_;
  std::atomic<std::uint64_t>& bytes_read_;
  Manifest manifest_;
  std::mutex mutex_;
  ExaminedDay day_;
};

/// Is what the name means still what the descriptor means?
bool still_there(const Directory& day, const std::string& peer, const Directory& opened) {
  const auto named = day.find(peer);
  const struct stat known = opened.status();
  return named && named->st_dev == known.st_dev && named->st_ino == known.st_ino;
}

ExaminedDay unusable(const std::string& why) {
  ExaminedDay result;
  result.problems.push_back({Kind::unreadable, "", why});
  return result;
}

}  // namespace

const char* to_string(DayProblem::Kind kind) {
  switch (kind) {
    case Kind::damaged:
      return "damaged";
    case Kind::missing:
      return "missing";
    case Kind::unreadable:
      return "unreadable";
    case Kind::extra:
      return "extra";
    case Kind::no_manifest:
      return "no_manifest";
    case Kind::bad_manifest:
      break;
  }
  return "bad_manifest";
}

bool ExaminedDay::is_damaged() const {
  return std::ranges::any_of(problems, [](const DayProblem& each) { return each.kind != Kind::extra; });
}

std::optional<ExaminedDay> examine(const Directory& day, const std::string& peer, std::size_t threads,
                                   std::atomic<std::uint64_t>& bytes_read) try {
  std::optional<ExaminedDay> result;
  for (int look = 0; look < looks; ++look) {
    const auto opened = day.find_directory(peer);
    if (!opened) {
      // Where a day cannot be exchanged in one step, its name is free for a moment.
      result.reset();
      std::this_thread::sleep_for(between_looks);
      continue;
    }
    result = Examination(*opened, threads, bytes_read).run();
    if (result->problems.empty() || still_there(day, peer, *opened)) return result;
  }
  if (!result) return std::nullopt;
  return unusable(day.shown(peer) + " cannot be verified: it was replaced again and again meanwhile");
} catch (const PeerError& error) {
  return unusable(error.what());
}

}  // namespace peerstage::peers::staging
