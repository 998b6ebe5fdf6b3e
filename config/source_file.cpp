#include "config/source_file.h"

#include <cerrno>
#include <climits>
#include <deque>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace peerstage::config {
namespace {

constexpr std::size_t size_limit = 1U << 20U;

[[noreturn]] void fail(const std::string& tried, int error_number) {
  throw SourceError(tried + ": " + std::generic_category().message(error_number));
}

struct Descriptor {
  int number;
  explicit Descriptor(int opened) : number(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(number); }
};

struct stat status_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) fail("cannot look at " + path, errno);
  return status;
}

std::string link_target(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length < 0) fail("cannot read the link " + path, errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::string directory(PATH_MAX, '\0');
  if (::getcwd(directory.data(), directory.size()) == nullptr)
    fail("cannot find the current directory", errno);
  return directory.substr(0, directory.find('\0')) + "/" + path;
}

/// Can others than root change what this inode holds?
std::optional<std::string> fault_of(const std::string& path, const struct stat& status) {
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if (status.st_uid != 0) return path + " belongs to user " + std::to_string(status.st_uid) + ", not to root";
  if (S_ISLNK(status.st_mode) || sticky || (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return std::nullopt;
  return path + " is writable by others than root";
}

}  // namespace

std::string read_source(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.number < 0) fail("cannot open it", errno);
  struct stat status {};
  if (::fstat(file.number, &status) != 0) fail("cannot look at it", errno);
  if (!S_ISREG(status.st_mode)) throw SourceError("this is not a regular file");
  std::string bytes(size_limit + 1, '\0');
  std::size_t used = 0;
  while (used < bytes.size()) {
    const ssize_t count = ::read(file.number, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read it", errno);
    if (count == 0) break;
    used += static_cast<std::size_t>(count);
  }
  if (used > size_limit) throw SourceError("this file is larger than 1 MiB, which no configuration needs");
  bytes.resize(used);
  return bytes;
}

std::optional<std::string> changeable_by_others(const std::string& path) {
  constexpr int link_limit = 40;  // as the kernel's, path_resolution(7)
  int links = 0;
  std::deque<std::string> rest = components(absolute(path));
  std::string reached;
  if (auto fault = fault_of("/", status_of("/"))) return fault;
  while (!rest.empty()) {
    const std::string part = rest.front();
    rest.pop_front();
    if (part == "..") {
      reached.erase(std::min(reached.rfind('/'), reached.size()));
      continue;
    }
    std::string next = reached;
    next.append("/").append(part);
    const struct stat status = status_of(next);
    if (auto fault = fault_of(next, status)) return fault;
    if (!S_ISLNK(status.st_mode)) {
      reached = next;
      continue;
    }
    if (++links > link_limit) fail("cannot follow the link " + next, ELOOP);
    const std::string target = link_target(next);
    if (target.starts_with('/')) reached.clear();
    const auto inner = components(target);
    rest.insert(rest.begin(), inner.begin(), inner.end());
  }
  return std::nullopt;
}

}  // namespace peerstage::config
