#include "peers/ssh/connect.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "peers/failure.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds head_start{250};  // RFC 8305, section 8

void set_option(int socket, int level, int name, int value) {
  // An option that a kernel lacks makes a dead line be noticed later: the timeouts above still hold.
  ::setsockopt(socket, level, name, &value, sizeof value);
}

void tune(int socket, milliseconds dead_after) {
  const auto milli = static_cast<int>(std::clamp<std::int64_t>(dead_after.count(), 1000, 3'600'000));
  const int interval = std::max(milli / 4000, 1);
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, interval);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, milli);
}

/// The addresses of one host, tried side by side.
class Race {
 public:
  Race(const std::vector<Address>& addresses, milliseconds dead_after)
      : addresses_(addresses), dead_after_(dead_after) {}

  /// The socket that is connected; none when the time is over or every address has failed.
  Descriptor run(SteadyClock::time_point deadline) {
    while (SteadyClock::now() < deadline) {
      const bool more = next_ < addresses_.size();
      if (more && (polled_.empty() || SteadyClock::now() >= next_start_)) start_next();
      if (polled_.empty()) {
        if (next_ == addresses_.size()) break;
        continue;
      }
      const auto wake = next_ < addresses_.size() ? std::min(deadline, next_start_) : deadline;
      const auto wait = std::chrono::ceil<milliseconds>(wake - SteadyClock::now()).count();
      if (::poll(polled_.data(), polled_.size(), static_cast<int>(std::max<std::int64_t>(wait, 0))) <= 0)
        continue;
      if (Descriptor winner = take_finished()) return winner;
    }
    for (const std::size_t index : of_address_) note(index, "no answer");
    return Descriptor();
  }

  const std::string& reasons() const { return reasons_; }

 private:
  void start_next() {
    const Address& address = addresses_[next_];
    next_start_ = SteadyClock::now() + head_start;
    Descriptor socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket) tune(socket.get(), dead_after_);
    if (!socket ||
        (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 &&
         errno != EINPROGRESS)) {
      note(next_++, std::generic_category().message(errno));
      return;
    }
    polled_.push_back({socket.get(), POLLOUT, 0});
    sockets_.push_back(std::move(socket));
    of_address_.push_back(next_++);
  }

  Descriptor take_finished() {
    for (std::size_t i = polled_.size(); i-- > 0;) {
      if (polled_[i].revents == 0) continue;
      int error = 0;
      socklen_t length = sizeof error;
      ::getsockopt(polled_[i].fd, SOL_SOCKET, SO_ERROR, &error, &length);
      if (error == 0) return std::move(sockets_[i]);
      note(of_address_[i], std::generic_category().message(error));
      const auto at = static_cast<std::ptrdiff_t>(i);
      polled_.erase(polled_.begin() + at);
      sockets_.erase(sockets_.begin() + at);
      of_address_.erase(of_address_.begin() + at);
    }
    return Descriptor();
  }

  void note(std::size_t index, const std::string& reason) {
    reasons_ += (reasons_.empty() ? "" : "; ") + addresses_[index].text + ": " + reason;
  }

  const std::vector<Address>& addresses_;
  milliseconds dead_after_;
  std::size_t next_ = 0;
  SteadyClock::time_point next_start_{};
  std::vector<pollfd> polled_;  // the three run side by side
  std::vector<Descriptor> sockets_;
  std::vector<std::size_t> of_address_;
  std::string reasons_;
};

}  // namespace

Descriptor connect_tcp(const std::vector<Address>& addresses, const std::string& target, milliseconds timeout,
                       milliseconds dead_after) {
  Race race(addresses, dead_after);
  if (Descriptor socket = race.run(SteadyClock::now() + timeout)) return socket;
  throw PeerError(FailureKind::transient,
                  "cannot connect to " + target + " (" + race.reasons() +
                      "): check that the machine is up and its SSH server listens there");
}

}  // namespace peerstage::peers::ssh
