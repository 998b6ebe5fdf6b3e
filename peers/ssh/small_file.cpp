#include "peers/ssh/small_file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

constexpr off_t size_limit = 16 << 20;

PeerError refused(const std::string& path, const std::string& why) {
  return {FailureKind::permanent, printable(path) + " is not used, because " + why};
}

PeerError unreadable(const std::string& path) {
  return refused(path, "it cannot be read: " + std::generic_category().message(errno));
}

/// Why the file may not be used; empty: it may.
using Rule = std::string (*)(const struct stat& status);

std::optional<std::string> read_file(const std::string& path, Rule rule) {
  const Descriptor file = open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file) throw unreadable(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw unreadable(path);
  // known_hosts files are often /dev/null on purpose: a device of that kind is an empty file
  if (S_ISCHR(status.st_mode) && path == "/dev/null") return std::string();
  if (!S_ISREG(status.st_mode)) throw refused(path, "it is not a regular file");
  if (status.st_size > size_limit) throw refused(path, "it is larger than 16 MiB");
  if (const std::string why = rule(status); !why.empty()) throw refused(path, why);

  std::string content;
  content.resize(static_cast<std::size_t>(status.st_size));
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw unreadable(path);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

}  // namespace

std::optional<std::string> read_small_file(const std::string& path) {
  return read_file(path, [](const struct stat&) { return std::string(); });
}

std::optional<std::string> read_trusted_file(const std::string& path) {
  return read_file(path, [](const struct stat& status) -> std::string {
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) return "it belongs to another user";
    if ((status.st_mode & 022U) != 0) return "others can write it: run chmod go-w on it";
    return {};
  });
}

std::optional<std::string> read_secret_file(const std::string& path) {
  return read_file(path, [](const struct stat& status) -> std::string {
    if (status.st_uid != ::geteuid() || (status.st_mode & 077U) == 0) return {};
    return "others can read it: run chmod 600 on it";
  });
}

}  // namespace peerstage::peers::ssh
