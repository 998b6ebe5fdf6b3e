#include "peers/local_connection.h"

#include <cerrno>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/directory_stream.h"
#include "peers/local_command.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

constexpr std::size_t read_size = 256U << 10U;

FileType type_of(mode_t mode) {
  if (S_ISREG(mode)) return FileType::regular;
  if (S_ISDIR(mode)) return FileType::directory;
  if (S_ISLNK(mode)) return FileType::symlink;
  if (S_ISFIFO(mode)) return FileType::fifo;
  if (S_ISSOCK(mode)) return FileType::socket;
  if (S_ISBLK(mode) || S_ISCHR(mode)) return FileType::device;
  return FileType::unknown;
}

FileInfo to_info(const struct stat& status) {
  FileInfo info;
  info.type = type_of(status.st_mode);
  info.size = static_cast<std::uint64_t>(status.st_size);
  info.permissions = status.st_mode & 07777U;
  info.modified =
      std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec);
  return info;
}

/// The mtime is what its owner says; nobody sets back the time of the last change.
bool same_change_time(const struct stat& before, const struct stat& after) {
  return before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec;
}

bool means_absent(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR;
}

PeerError local_error(const std::string& tried, const std::string& path, int error_number) {
  return system_error(tried + " " + printable(path) + " on this machine", error_number);
}

}  // namespace

LocalConnection::LocalConnection(std::string base) : base_(std::move(base)) {
  while (base_.size() > 1 && base_.back() == '/') base_.pop_back();
}

Descriptor LocalConnection::open(const std::string& path, int flags) {
  if (!base_descriptor_) {
    base_descriptor_ = open_at(AT_FDCWD, base_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!base_descriptor_) return {};
  }
  std::size_t begin = base_.size();
  while (begin < path.size() && path[begin] == '/') ++begin;
  return open_beneath(base_descriptor_.get(), begin < path.size() ? path.substr(begin) : ".", flags);
}

std::optional<FileInfo> LocalConnection::lstat(const std::string& path) {
  const Descriptor file = open(path, O_PATH | O_NOFOLLOW);
  if (!file && (means_absent(errno) || errno == ELOOP)) return std::nullopt;
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) throw local_error("cannot look at", path, errno);
  return to_info(status);
}

std::vector<ListedEntry> LocalConnection::list(const std::string& directory, const ListLimits& limits) {
  DirectoryStream listing(open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  if (!listing) throw local_error("cannot list", directory, errno);

  std::vector<ListedEntry> entries;
  std::size_t name_bytes = 0;
  while (const dirent* entry = listing.next()) {
    struct stat status {};
    if (::fstatat(listing.descriptor(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // gone since it was listed
      throw local_error("cannot look at", directory + "/" + entry->d_name, errno);
    }
    entries.push_back({entry->d_name, to_info(status)});
    name_bytes += entries.back().name.size();
    if (entries.size() > limits.entries || name_bytes > limits.name_bytes) {
      throw PeerError(FailureKind::hostile, "cannot list " + printable(directory) +
                                                " on this machine: it has more entries than the limit of " +
                                                std::to_string(limits.entries));
    }
  }
  if (errno != 0) throw local_error("listing incomplete: cannot read the directory", directory, errno);
  return entries;
}

void LocalConnection::fetch(FileReceiver& receiver) {
  const auto buffer = std::make_unique<std::byte[]>(read_size);
  while (const auto request = receiver.next()) fetch_one(receiver, *request, {buffer.get(), read_size});
}

void LocalConnection::fetch_one(FileReceiver& receiver, const FetchRequest& request,
                                std::span<std::byte> buffer) {
  const auto fail = [&](const PeerError& error) { receiver.failed(request.id, error.failure()); };
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  Descriptor file = open(request.path, flags | O_NOATIME);
  if (!file && errno == EPERM) file = open(request.path, flags);  // O_NOATIME is for the owner only
  if (!file && means_absent(errno)) {
    return fail(
        {FailureKind::transient, printable(request.path) + " vanished from this machine before it was read"});
  }
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0)
    return fail(local_error("cannot read", request.path, errno));
  if (!S_ISREG(status.st_mode)) {
    return fail(
        {FailureKind::transient, printable(request.path) + " on this machine is no regular file any more"});
  }

  for (std::uint64_t at = request.offset; at < request.size;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), request.size - at));
    const ssize_t got = ::pread(file.get(), buffer.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(local_error("cannot read", request.path, errno));
    if (got == 0) {
      return fail({FailureKind::transient, printable(request.path) + " on this machine ended after " +
                                               std::to_string(at) + " of " + std::to_string(request.size) +
                                               " bytes while it was read"});
    }
    receiver.data(request.id, buffer.first(static_cast<std::size_t>(got)));
    at += static_cast<std::uint64_t>(got);
  }
  struct stat after {};
  if (::fstat(file.get(), &after) != 0) return fail(local_error("cannot read", request.path, errno));
  if (!same_change_time(status, after)) {
    return fail(
        {FailureKind::transient, printable(request.path) + " on this machine changed while it was read"});
  }
  receiver.complete(request.id);
}

void LocalConnection::write_marker(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = path.substr(slash + 1);
  const Descriptor directory = open(path.substr(0, slash), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) throw local_error("cannot write the marker", path, errno);
  // A new inode each time: whatever stood there (a link to a file of somebody else's, say) is never opened
  // for writing. An empty file needs no temporary name.
  if (::unlinkat(directory.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    throw local_error("cannot replace the marker", path, errno);
  }
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Descriptor marker = open_at(directory.get(), name.c_str(), flags, 0666);
  if (!marker) throw local_error("cannot write the marker", path, errno);
  if (!sync_to_disk(marker.get())) throw local_error("cannot sync the marker", path, errno);
  if (!sync_to_disk(directory.get()) && errno != EINVAL) {  // EINVAL: a file system without directory sync
    throw local_error("cannot sync the directory of the marker", path, errno);
  }
}

CommandResult LocalConnection::run(const Command& command) {
  return run_local_command(command);
}

}  // namespace peerstage::peers
