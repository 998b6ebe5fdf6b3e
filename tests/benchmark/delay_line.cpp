#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <iostream>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "peers/descriptor.h"

/// A long line between programs on this machine: each byte arrives so much later, in order and unchanged, and
/// the line itself holds nothing up. Not a model of TCP over a distance: no byte is lost, no window limits a
/// connection, so what a program gets out of it is what the program itself can do with the delay.
///
///     delay_line TARGET:PORT [--listen ADDRESS[:PORT]] [--delay MICROSECONDS] [--rate BYTES_A_SECOND]
///
/// --delay is that of one way, half a round trip. --rate holds for each way and for all connections together,
/// as a line has it. Prints the address that it listens on. Each line on standard input is answered by
/// "FROM_TARGET TO_TARGET CONNECTIONS", bytes and a count since the start; the end of it ends the program.
namespace peerstage {
namespace {

using peers::Descriptor;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Duration = Clock::duration;

constexpr Time never = Time::max();
constexpr std::size_t block_size = 256 << 10;
/// What one way of one connection holds at most; beyond it the sender waits. 500 MB/s for 268 ms.
constexpr std::size_t capacity = 128 << 20;
/// What is read from one connection before the others have their turn.
constexpr std::size_t turn = 1 << 20;
/// With a rate: for how long what waits before the line may keep it busy. Senders wait beyond.
constexpr Duration backlog = std::chrono::milliseconds(4);

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct Options {
  sockaddr_in listen{}, target{};
  Duration delay{};
  std::uint64_t rate = 0;  // bytes a second; 0: as fast as it goes
};

/// One way of the line, for all connections together.
struct Road {
  const Options& options;
  Time free_at{};  // with a rate: when all that has come was put on the line
  std::uint64_t carried = 0;

  bool takes_more(Time now) const { return options.rate == 0 || free_at - now < backlog; }
  Time takes_more_at() const { return free_at - backlog / 2; }
  std::size_t at_a_time() const {
    return options.rate == 0 ? block_size : std::clamp<std::size_t>(options.rate / 1000, 4096, block_size);
  }
  /// When that, taken now, arrives at the other end.
  Time arrival(std::size_t bytes, Time now) {
    carried += bytes;
    if (options.rate == 0) return now + options.delay;
    const std::chrono::duration<double> on_the_line(static_cast<double>(bytes) /
                                                    static_cast<double>(options.rate));
    free_at = std::max(free_at, now) + std::chrono::duration_cast<Duration>(on_the_line);
    return free_at + options.delay;
  }
};

using Block = std::array<char, block_size>;

/// Blocks that are used again: fresh memory costs more than copying into it.
class Blocks {
 public:
  std::unique_ptr<Block> take() {
    if (free_.empty()) return std::make_unique_for_overwrite<Block>();
    auto block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  void give_back(std::unique_ptr<Block> block) { free_.push_back(std::move(block)); }

 private:
  std::vector<std::unique_ptr<Block>> free_;
};

/// Bytes on their way, each with the time when it arrives.
class Flight {
 public:
  explicit Flight(Blocks& blocks) : blocks_(blocks) {}

  bool is_empty() const { return arrivals_.empty(); }
  bool is_full() const { return size_ >= capacity; }
  Time next_arrival() const { return arrivals_.empty() ? never : arrivals_.front().time; }

  /// Where the next bytes go; at least one.
  iovec room(std::size_t at_most) {
    if (queue_.empty() || end_ == block_size) {
      queue_.push_back(blocks_.take());
      end_ = 0;
      if (queue_.size() == 1) begin_ = 0;
    }
    return {queue_.back()->data() + end_, std::min(at_most, block_size - end_)};
  }
  void took_off(std::size_t bytes, Time arrival) {
    end_ += bytes;
    size_ += bytes;
    arrivals_.push_back({arrival, bytes});
  }

  /// The bytes that have arrived, as far as one call can write them; how many pieces.
  int landed(Time now, std::array<iovec, 16>& pieces) const {
    std::size_t bytes = 0;
    for (const auto& arrival : arrivals_) {
      if (arrival.time > now || bytes >= pieces.size() * block_size) break;
      bytes += arrival.bytes;
    }
    int count = 0;
    for (std::size_t number = 0; number < queue_.size() && bytes > 0 && number < pieces.size(); ++number) {
      const std::size_t from = number == 0 ? begin_ : 0;
      const std::size_t to = number + 1 == queue_.size() ? end_ : block_size;
      const std::size_t length = std::min(bytes, to - from);
      pieces.at(number) = {queue_[number]->data() + from, length};
      bytes -= length;
      ++count;
    }
    return count;
  }
  void delivered(std::size_t bytes) {
    size_ -= bytes;
    begin_ += bytes;
    while (begin_ >= block_size || (size_ == 0 && !queue_.empty())) {
      blocks_.give_back(std::move(queue_.front()));
      queue_.pop_front();
      begin_ = queue_.empty() ? 0 : begin_ - block_size;
    }
    if (queue_.empty()) end_ = 0;
    while (bytes > 0) {
      auto& first = arrivals_.front();
      const std::size_t of_it = std::min(bytes, first.bytes);
      first.bytes -= of_it;
      bytes -= of_it;
      if (first.bytes == 0) arrivals_.pop_front();
    }
  }

 private:
  struct Arrival {
    Time time;
    std::size_t bytes;
  };
  Blocks& blocks_;
  std::deque<std::unique_ptr<Block>> queue_;
  std::deque<Arrival> arrivals_;
  std::size_t begin_ = 0, end_ = 0, size_ = 0;  // of the first block, of the last one, of all
};

/// One way of one connection. Takes at once what comes, and delivers it when it arrives.
class Lane {
 public:
  Lane(Road& road, Blocks& blocks) : road_(road), flight_(blocks) {}

  bool can_read = false, can_write = false;  // as far as we know: a socket tells only once

  bool is_over() const { return is_over_; }
  /// False when the connection is broken. `more` is set when there is more to do right now.
  bool advance(int from, int to, bool& more) { return deliver(to) && take(from, more) && deliver(to); }
  /// When there is something to do without either end telling.
  Time wake() const {
    Time at = never;
    if (can_write && !is_over_) at = flight_.is_empty() ? end_at_ : flight_.next_arrival();
    if (waits_for_road_) at = std::min(at, road_.takes_more_at());
    return at;
  }

 private:
  bool take(int from, bool& more) {
    waits_for_road_ = false;
    for (std::size_t taken = 0; can_read && !has_ended_ && !flight_.is_full();) {
      const Time now = Clock::now();
      if (!road_.takes_more(now)) {
        waits_for_road_ = true;
        return true;
      }
      if (taken >= turn) {
        more = true;
        return true;
      }
      const iovec room = flight_.room(road_.at_a_time());
      const ssize_t count = ::recv(from, room.iov_base, room.iov_len, 0);
      if (count > 0) {
        const auto bytes = static_cast<std::size_t>(count);
        flight_.took_off(bytes, road_.arrival(bytes, now));
        taken += bytes;
      } else if (count == 0) {
        has_ended_ = true;
        end_at_ = road_.arrival(0, now);
      } else if (errno == EAGAIN) {
        can_read = false;
      } else if (errno != EINTR) {
        return false;
      }
    }
    return true;
  }

  bool deliver(int to) {
    std::array<iovec, 16> pieces{};
    while (can_write && !is_over_) {
      const Time now = Clock::now();
      if (flight_.is_empty()) {
        if (end_at_ > now) return true;
        is_over_ = true;
        return ::shutdown(to, SHUT_WR) == 0;
      }
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = static_cast<std::size_t>(flight_.landed(now, pieces));
      if (message.msg_iovlen == 0) return true;
      const ssize_t count = ::sendmsg(to, &message, MSG_NOSIGNAL);
      if (count > 0) {
        flight_.delivered(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        can_write = false;
      } else if (errno != EINTR) {
        return false;
      }
    }
    return true;
  }

  Road& road_;
  Flight flight_;
  bool has_ended_ = false, is_over_ = false, waits_for_road_ = false;
  Time end_at_ = never;
};

void configure(int socket) {
  const int on = 1;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY");
}

/// The other end hears of it as of a crash.
void reset(Descriptor& socket) {
  const linger at_once{1, 0};
  if (socket) ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket.reset();
}

void watch(int epoll, int socket, std::uint32_t events, void* whose) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = whose;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll_ctl");
}

/// A client and the target, once it is reached: over a real line a connection is there after one round trip,
/// and the server has it after one and a half.
class Connection {
 public:
  Connection(Descriptor client, const Options& options, int epoll, Road& up, Road& down, Blocks& blocks)
      : options_(options),
        epoll_(epoll),
        client_{this, std::move(client)},
        target_{this, {}},
        opens_at_(Clock::now() + 3 * options.delay),
        up_(up, blocks),
        down_(down, blocks) {
    configure(client_.socket.get());
    watch(epoll_, client_.socket.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &client_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// What epoll gives back.
  struct End {
    Connection* connection;
    Descriptor socket;
  };

  void happened(const End& end, std::uint32_t events) {
    const bool is_client = &end == &client_;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      (is_client ? up_ : down_).can_read = true;
    }
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) (is_client ? down_ : up_).can_write = true;
  }

  /// False when it is over.
  bool advance(bool& more) {
    if (!target_.socket && Clock::now() >= opens_at_ && !open()) return broken();
    if (!up_.advance(client_.socket.get(), target_.socket.get(), more)) return broken();
    if (!target_.socket) return true;
    if (!down_.advance(target_.socket.get(), client_.socket.get(), more)) return broken();
    return !(up_.is_over() && down_.is_over());
  }

  Time wake() const { return std::min(up_.wake(), target_.socket ? down_.wake() : opens_at_); }

 private:
  bool open() {
    target_.socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!target_.socket) fail("socket");
    configure(target_.socket.get());
    const auto* const address = reinterpret_cast<const sockaddr*>(&options_.target);
    if (::connect(target_.socket.get(), address, sizeof options_.target) != 0 && errno != EINPROGRESS) {
      return false;
    }
    watch(epoll_, target_.socket.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &target_);
    return true;
  }

  bool broken() {
    reset(client_.socket);
    reset(target_.socket);
    return false;
  }

  const Options& options_;
  int epoll_;
  End client_, target_;
  Time opens_at_;
  Lane up_, down_;
};

class Line {
 public:
  explicit Line(const Options& options) : options_(options), up_{options}, down_{options} {
    epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_) fail("epoll_create1");
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    const auto* const address = reinterpret_cast<const sockaddr*>(&options_.listen);
    if (!listener_ || ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(listener_.get(), address, sizeof options_.listen) != 0 ||
        ::listen(listener_.get(), SOMAXCONN) != 0) {
      fail("cannot listen");
    }
    watch(epoll_.get(), listener_.get(), EPOLLIN, &listener_);
    watch(epoll_.get(), STDIN_FILENO, EPOLLIN, nullptr);
  }

  std::string address() const {
    sockaddr_in bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
      fail("getsockname");
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &bound.sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(bound.sin_port));
  }

  void run() {
    bool more = false;
    while (!is_done_) {
      wait(more ? Time::min() : next_wake());
      more = false;
      connections_.remove_if([&more](Connection& connection) { return !connection.advance(more); });
      // With a rate, the first one gets the most; so each is the first in turn.
      if (!connections_.empty()) connections_.splice(connections_.end(), connections_, connections_.begin());
    }
  }

 private:
  Time next_wake() const {
    Time at = never;
    for (const auto& connection : connections_) at = std::min(at, connection.wake());
    return at;
  }

  void wait(Time until) {
    std::array<epoll_event, 64> events{};
    timespec left{};
    if (until != never) {
      const auto time =
          std::max(Duration::zero(), until == Time::min() ? Duration::zero() : until - Clock::now());
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
      left.tv_sec = seconds.count();
      left.tv_nsec = std::chrono::nanoseconds(time - seconds).count();
    }
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                     until == never ? nullptr : &left, nullptr);
    if (count < 0 && errno != EINTR) fail("epoll_pwait2");
    for (int number = 0; number < count; ++number) {
      const epoll_event& event = events.at(static_cast<std::size_t>(number));
      if (event.data.ptr == nullptr) {
        answer();
      } else if (event.data.ptr == &listener_) {
        accept();
      } else {
        auto& end = *static_cast<Connection::End*>(event.data.ptr);
        end.connection->happened(end, event.events);
      }
    }
  }

  void accept() {
    while (true) {
      Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!client) return;
      connections_.emplace_back(std::move(client), options_, epoll_.get(), up_, down_, blocks_);
      ++accepted_;
    }
  }

  void answer() {
    std::array<char, 256> asked{};
    const ssize_t count = ::read(STDIN_FILENO, asked.data(), asked.size());
    is_done_ = count <= 0;
    for (ssize_t at = 0; at < count; ++at) {
      if (asked.at(static_cast<std::size_t>(at)) != '\n') continue;
      std::cout << down_.carried << ' ' << up_.carried << ' ' << accepted_ << std::endl;
    }
  }

  const Options& options_;
  Road up_, down_;
  Blocks blocks_;
  Descriptor epoll_, listener_;
  std::list<Connection> connections_;
  std::uint64_t accepted_ = 0;
  bool is_done_ = false;
};

template <class Number>
Number number(std::string_view text, const char* what) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::invalid_argument(std::string(what) + ": not a number: " + std::string(text));
  }
  return value;
}

/// ADDRESS:PORT or ADDRESS, below 127.0.0.0/8: this is for the machine itself and for nobody else.
sockaddr_in loopback(const std::string& text) {
  const auto colon = text.find(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1 ||
      ntohl(address.sin_addr.s_addr) >> 24 != 127) {
    throw std::invalid_argument(text + ": not an address of the loopback interface");
  }
  if (colon != std::string::npos) {
    address.sin_port = htons(number<std::uint16_t>(std::string_view(text).substr(colon + 1), "port"));
  }
  return address;
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  options.listen = loopback("127.0.0.1");
  std::optional<sockaddr_in> target;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string& name = arguments[at];
    if (!name.starts_with("--")) {
      target = loopback(name);
      continue;
    }
    if (++at == arguments.size()) throw std::invalid_argument(name + " needs a value");
    const std::string& value = arguments[at];
    if (name == "--listen") {
      options.listen = loopback(value);
    } else if (name == "--delay") {
      options.delay = std::chrono::microseconds(number<std::uint32_t>(value, "--delay"));
    } else if (name == "--rate") {
      options.rate = number<std::uint64_t>(value, "--rate");
    } else {
      throw std::invalid_argument("no such option: " + name);
    }
  }
  if (!target || target->sin_port == 0) throw std::invalid_argument("where to? TARGET:PORT");
  options.target = *target;
  return options;
}

}  // namespace
}  // namespace peerstage

int main(int count, char** arguments) {
  try {
    const auto options = peerstage::parse({arguments + 1, arguments + count});
    ::prctl(PR_SET_TIMERSLACK, 1000UL);  // nanoseconds; a delay may be short
    peerstage::Line line(options);
    std::cout << line.address() << std::endl;
    line.run();
    return 0;
  } catch (const std::invalid_argument& error) {
    std::cerr << "delay_line: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "delay_line: " << error.what() << '\n';
    return 1;
  }
}
