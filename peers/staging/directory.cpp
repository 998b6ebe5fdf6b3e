#include "peers/staging/directory.h"

#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/directory_stream.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

const char* checked(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos) {
    throw std::invalid_argument("not the name of an entry: " + printable(name));
  }
  return name.c_str();
}

std::string both(const Place& from, const Place& to) {
  return from.directory.shown(from.name) + " to " + to.directory.shown(to.name);
}

/// Where the file system has no RENAME_NOREPLACE. A link never replaces; a directory cannot be linked, and
/// rename(2) replaces an empty directory at most.
int rename_new_without_kernel(const Place& from, const Place& to) {
  const int source = from.directory.descriptor();
  const int destination = to.directory.descriptor();
  if (::linkat(source, from.name.c_str(), destination, to.name.c_str(), 0) == 0) {
    return ::unlinkat(source, from.name.c_str(), 0);
  }
  if (errno == EEXIST) return -1;
  if (to.directory.find(to.name)) {
    errno = EEXIST;
    return -1;
  }
  return ::renameat(source, from.name.c_str(), destination, to.name.c_str());
}

bool is_unsupported(int error_number) {
  return error_number == EINVAL || error_number == ENOSYS || error_number == EOPNOTSUPP;
}

}  // namespace

Directory Directory::open(const std::string& path) {
  Descriptor descriptor = open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!descriptor) throw system_error("cannot open the directory " + printable(path), errno);
  return {std::move(descriptor), path};
}

std::string Directory::shown(const std::string& name) const {
  return printable(path_ + "/" + name);
}

PeerError Directory::error(const char* tried, const std::string& name) const {
  return system_error(std::string("cannot ") + tried + " " + shown(name), errno);
}

Directory Directory::duplicate() const {
  Descriptor copy(::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) throw system_error("cannot duplicate the descriptor of " + printable(path_), errno);
  return {std::move(copy), path_};
}

struct stat Directory::status() const {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0)
    throw system_error("cannot look at " + printable(path_), errno);
  return status;
}

std::optional<struct stat> Directory::find(const std::string& name) const {
  struct stat status {};
  if (::fstatat(descriptor_.get(), checked(name), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  throw error("look at", name);
}

std::vector<std::string> Directory::list() const {
  Descriptor own = open_beneath(descriptor_.get(), ".", O_RDONLY | O_DIRECTORY | O_NOATIME);
  if (!own && errno == EPERM) own = open_beneath(descriptor_.get(), ".", O_RDONLY | O_DIRECTORY);
  DirectoryStream entries(std::move(own));
  if (!entries) throw system_error("cannot list " + printable(path_), errno);
  std::vector<std::string> names;
  while (const dirent* entry = entries.next()) names.emplace_back(entry->d_name);
  if (errno != 0) throw system_error("cannot list " + printable(path_), errno);
  return names;
}

bool Directory::empty() const {
  return list().empty();
}

Directory Directory::open_directory(const std::string& name) const {
  auto directory = find_directory(name);
  if (!directory) throw error("open the directory", name);
  return std::move(*directory);
}

std::optional<Directory> Directory::find_directory(const std::string& name) const {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  Descriptor descriptor = open_beneath(descriptor_.get(), checked(name), flags);
  if (descriptor) return Directory(std::move(descriptor), path_ + "/" + name);
  if (errno == ENOENT) return std::nullopt;
  if (errno == ELOOP || errno == ENOTDIR) {
    throw PeerError(FailureKind::permanent,
                    shown(name) + " is not a directory but a link or a file; move it out of the way");
  }
  throw error("open the directory", name);
}

Directory Directory::open_below(const std::string& path) const {
  if (path.empty()) return duplicate();
  Descriptor descriptor = open_beneath(descriptor_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!descriptor) throw error("open the directory", path);
  return {std::move(descriptor), path_ + "/" + path};
}

Directory Directory::make_directory(const std::string& name, mode_t mode) const {
  if (::mkdirat(descriptor_.get(), checked(name), mode) != 0) throw error("make the directory", name);
  return open_directory(name);
}

Descriptor Directory::open_file(const std::string& name, int flags) const {
  // O_NONBLOCK: a FIFO of that name must not hold us.
  flags |= O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file = open_at(descriptor_.get(), checked(name), flags | O_NOATIME);
  if (!file && errno == EPERM) file = open_at(descriptor_.get(), name.c_str(), flags);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return {};
  if (S_ISREG(status.st_mode)) return file;
  errno = ENOTSUP;
  return {};
}

Descriptor Directory::create_file(const std::string& name, mode_t mode) const {
  constexpr int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  return open_at(descriptor_.get(), checked(name), flags, mode);
}

bool Directory::unlink(const std::string& name) const {
  if (::unlinkat(descriptor_.get(), checked(name), 0) == 0) return true;
  if (errno == ENOENT) return false;
  throw error("remove", name);
}

bool Directory::remove_directory(const std::string& name) const {
  if (::unlinkat(descriptor_.get(), checked(name), AT_REMOVEDIR) == 0) return true;
  if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST) return false;
  throw error("remove the directory", name);
}

void Directory::remove_tree(const std::string& name) const {
  const auto directory = find_directory(name);
  if (!directory) return;
  const struct stat found = directory->status();
  if (found.st_dev != status().st_dev) {
    throw PeerError(FailureKind::permanent,
                    "refused to remove " + shown(name) + ": it is another file system");
  }
  // Somebody may have taken the right to remove what is in it; whether we get it back, the removal will tell.
  if ((found.st_mode & 0700U) != 0700U) static_cast<void>(::fchmod(directory->descriptor(), 0700));
  for (const std::string& entry : directory->list()) {
    const auto inside = directory->find(entry);
    if (!inside) continue;
    if (S_ISDIR(inside->st_mode)) {
      directory->remove_tree(entry);
    } else {
      directory->unlink(entry);
    }
  }
  if (!remove_directory(name) && find(name)) throw error("remove the directory", name);
}

void Directory::sync() const {
  if (!sync_to_disk(descriptor_.get()) && errno != EINVAL) {
    throw system_error("cannot sync the directory " + printable(path_), errno);
  }
}

void rename_new(const Place& from, const Place& to) {
  int result = ::renameat2(from.directory.descriptor(), checked(from.name), to.directory.descriptor(),
                           checked(to.name), RENAME_NOREPLACE);
  if (result != 0 && is_unsupported(errno)) result = rename_new_without_kernel(from, to);
  if (result != 0) throw system_error("cannot rename " + both(from, to), errno);
}

bool exchange(const Place& first, const Place& second) {
  if (::renameat2(first.directory.descriptor(), checked(first.name), second.directory.descriptor(),
                  checked(second.name), RENAME_EXCHANGE) == 0) {
    return true;
  }
  if (is_unsupported(errno)) return false;
  throw system_error("cannot exchange " + both(first, second), errno);
}

bool link_file(const Place& from, const Place& to) {
  return ::linkat(from.directory.descriptor(), checked(from.name), to.directory.descriptor(),
                  checked(to.name), 0) == 0;
}

void give_to(const std::optional<Ownership>& owner, int descriptor, const std::string& shown) {
  if (!owner) return;
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw system_error("cannot look at " + shown, errno);
  if (status.st_uid == owner->uid && status.st_gid == owner->gid) return;
  if (::fchown(descriptor, owner->uid, owner->gid) != 0)
    throw system_error("cannot hand over " + shown, errno);
}

}  // namespace peerstage::peers::staging
