#include "peers/ssh/watchdog.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/socket.h>

#include "peers/failure.h"

namespace peerstage::peers::ssh {

namespace {

/// As far ahead as a condition variable can be told to wait without overflow.
constexpr std::chrono::hours longest_sleep{24};

}  // namespace

Watchdog::Watchdog() try : thread_([this] { run(); }) {
} catch (const std::system_error& error) {
  throw PeerError(FailureKind::transient,
                  "cannot start a thread to watch a connection: " + error.code().message());
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::guard(int socket) {
  Descriptor own(::fcntl(socket, F_DUPFD_CLOEXEC, 3));
  if (!own) throw system_error("cannot duplicate a socket", errno);
  const std::lock_guard lock(mutex_);
  sockets_.push_back(std::move(own));
}

void Watchdog::arm(TimePoint deadline) {
  bool earlier = false;
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    earlier = deadline < wakes_at_;
  }
  // a later deadline needs no wake-up: the thread looks again when the earlier one is reached
  if (earlier) changed_.notify_one();
}

void Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  deadline_ = TimePoint::max();
}

void Watchdog::abort() {
  const std::lock_guard lock(mutex_);
  shut_down();
}

bool Watchdog::expired() const {
  const std::lock_guard lock(mutex_);
  return expired_;
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (deadline_ <= now) {
      expired_ = true;
      deadline_ = TimePoint::max();
      shut_down();
    }
    wakes_at_ = std::min(deadline_, now + longest_sleep);
    changed_.wait_until(lock, wakes_at_);
  }
}

void Watchdog::shut_down() {
  for (const Descriptor& socket : sockets_) ::shutdown(socket.get(), SHUT_RDWR);
}

}  // namespace peerstage::peers::ssh
