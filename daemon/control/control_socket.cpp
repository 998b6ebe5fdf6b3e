#include "daemon/control/control_socket.h"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control/socket_address.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

/// Short, so that whoever comes behind a flood of callers does not wait for long.
constexpr int longest_queue = 128;

std::string reason(int error) {
  return std::generic_category().message(error);
}

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw ControlSocketError("cannot listen at the control socket " + peers::printable(path) + ": " + why);
}

[[noreturn]] void fail_busy(const std::string& path) {
  throw AnotherDaemonListens("another daemon listens at the control socket " + peers::printable(path));
}

/// Permissions at birth: there is no moment in which others could connect.
class TightUmask {
 public:
  TightUmask() : before_(::umask(0177)) {}
  ~TightUmask() { ::umask(before_); }
  TightUmask(const TightUmask&) = delete;
  TightUmask& operator=(const TightUmask&) = delete;

 private:
  mode_t before_;
};

peers::Descriptor take_lock(const std::string& path) {
  const std::string name = path + ".lock";
  peers::Descriptor lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) fail(path, "its lock " + peers::printable(name) + " cannot be opened: " + reason(errno));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) fail_busy(path);
  fail(path, "its lock " + peers::printable(name) + " cannot be taken: " + reason(errno));
}

peers::Descriptor new_socket(const std::string& path) {
  peers::Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) fail(path, reason(errno));
  return made;
}

/// Nobody listens there any more: connecting is refused. Whoever has a full queue (EAGAIN) does listen.
bool is_stale(const std::string& path, const SocketAddress& address) {
  const peers::Descriptor probe = new_socket(path);
  if (::connect(probe.get(), address.get(), address.size()) == 0) return false;
  return errno == ECONNREFUSED;
}

void clear_the_way(const std::string& path, const SocketAddress& address) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return;
    fail(path, reason(errno));
  }
  if (!S_ISSOCK(there.st_mode)) fail(path, "something that is no socket stands there; remove it by hand");
  if (!is_stale(path, address)) fail_busy(path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    fail(path, "the socket of a daemon that is gone cannot be removed: " + reason(errno));
}

void open_to_group(const std::string& path, gid_t group) {
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
    fail(path, "it cannot be given to the group " + std::to_string(group) + ": " + reason(errno));
  if (::chmod(path.c_str(), 0660) != 0) fail(path, "its permissions cannot be set: " + reason(errno));
}

int option(int socket, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

ControlSocket ControlSocket::listen_at(const std::string& path, std::optional<gid_t> group) {
  const auto address = SocketAddress::of(path);
  if (!address) fail(path, "a path of a socket has at most 107 bytes, and is not empty");
  ControlSocket result;
  result.lock_ = take_lock(path);
  clear_the_way(path, *address);
  result.socket_ = new_socket(path);
  {
    const TightUmask tight;
    if (::bind(result.socket_.get(), address->get(), address->size()) != 0) fail(path, reason(errno));
  }
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) fail(path, reason(errno));
  result.path_ = path;
  result.device_ = made.st_dev;
  result.inode_ = made.st_ino;
  if (group) open_to_group(path, *group);
  if (::listen(result.socket_.get(), longest_queue) != 0) fail(path, reason(errno));
  return result;
}

ControlSocket ControlSocket::adopt(int descriptor) {
  ControlSocket result;
  const bool listens = option(descriptor, SO_DOMAIN) == AF_UNIX &&
                       option(descriptor, SO_TYPE) == SOCK_STREAM && option(descriptor, SO_ACCEPTCONN) == 1;
  if (!listens)
    throw ControlSocketError("descriptor " + std::to_string(descriptor) +
                             ", which the service manager passed, is no listening Unix stream socket");
  result.socket_.reset(descriptor);
  const int status = ::fcntl(descriptor, F_GETFL);
  if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(descriptor, F_SETFL, status | O_NONBLOCK) != 0)
    throw ControlSocketError("descriptor " + std::to_string(descriptor) +
                             ", which the service manager passed, cannot be used: " + reason(errno));
  return result;
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : lock_(std::move(other.lock_)),
      socket_(std::move(other.socket_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket::~ControlSocket() {
  if (path_.empty()) return;
  struct stat there {};
  if (::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_)
    ::unlink(path_.c_str());
}

}  // namespace peerstage::daemon
