#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/asio_timeline.h"
#include "daemon/control/control_server.h"
#include "daemon/control/socket_address.h"
#include "tests/control/fake_daemon.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::test {

/// A timer on the daemon's loop, as its schedule has them: how late did it ring at worst?
class Heartbeat {
 public:
  explicit Heartbeat(boost::asio::io_context& loop) : timeline_(loop) { beat(); }
  std::chrono::milliseconds worst() const { return std::chrono::milliseconds(worst_.load()); }
  int beats() const { return beats_; }

 private:
  void beat() {
    const auto due = timeline_.steady_now() + std::chrono::milliseconds(5);
    alarm_ = timeline_.after(std::chrono::milliseconds(5), [this, due] {
      const auto late = std::chrono::floor<std::chrono::milliseconds>(timeline_.steady_now() - due);
      worst_ = std::max<std::int64_t>(worst_, late.count());
      ++beats_;
      beat();
    });
  }

  daemon::AsioTimeline timeline_;
  std::unique_ptr<daemon::Alarm> alarm_;
  std::atomic<std::int64_t> worst_ = 0;
  std::atomic<int> beats_ = 0;
};

/// A control server with a fake daemon, on a loop in a thread of its own.
class RunningServer {
 public:
  explicit RunningServer(const daemon::ControlLimits& limits = {},
                         const daemon::AccessPolicy& policy = {::geteuid(), {}})
      : RunningServer(nullptr, limits, policy) {}

  RunningServer(const std::function<void(FakeDaemon&)>& prepare, const daemon::ControlLimits& limits,
                const daemon::AccessPolicy& policy) {
    if (prepare) prepare(daemon_);
    server_ = std::make_unique<daemon::ControlServer>(
        loop_, daemon::ControlSocket::listen_at(path(), policy.reading_group), policy, daemon_,
        [this](peers::EventLevel, const std::string& text) { told_.push_back(text); }, limits);
    heartbeat_ = std::make_unique<Heartbeat>(loop_);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~RunningServer() {
    boost::asio::post(loop_, [this] {
      server_.reset();
      heartbeat_.reset();
    });
    thread_.join();  // nothing of the server keeps the loop busy
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  std::string path() const { return directory_ / "control.sock"; }
  /// So that the mode of the socket alone says who may connect.
  void open_directory() const {
    std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  }
  const Heartbeat& heartbeat() const { return *heartbeat_; }

  /// Done on the loop's thread, where the daemon lives.
  template <typename Act>
  auto on_loop(Act act) {
    std::packaged_task<decltype(act(daemon_))()> task([&] { return act(daemon_); });
    auto result = task.get_future();
    boost::asio::post(loop_, [&task] { task(); });
    return result.get();
  }
  std::vector<std::string> asked() {
    return on_loop([](FakeDaemon& daemon) { return daemon.asked; });
  }
  std::vector<std::string> told() {
    return on_loop([this](FakeDaemon&) { return told_; });
  }
  void hang_up() {
    on_loop([this](FakeDaemon&) { server_.reset(); });
  }

 private:
  TemporaryDirectory directory_;
  boost::asio::io_context loop_{1};
  FakeDaemon daemon_;
  std::vector<std::string> told_;
  std::unique_ptr<daemon::ControlServer> server_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::thread thread_;
};

/// A client that sends whatever bytes a test wants.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto address = daemon::SocketAddress::of(path);
    connected_ = ::connect(socket_.get(), address->get(), address->size()) == 0;
  }

  bool connected() const { return connected_; }
  /// False when the server has hung up.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const auto sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void end_sending() const { ::shutdown(socket_.get(), SHUT_WR); }

  /// Everything until the server hangs up.
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }
  /// Up to and with this text, or all there is when the server hangs up before.
  std::string until(const std::string& end) {
    std::size_t place = std::string::npos;
    while ((place = received_.find(end)) == std::string::npos && receive()) {
    }
    if (place == std::string::npos) return std::exchange(received_, {});
    std::string result = received_.substr(0, place + end.size());
    received_.erase(0, result.size());
    return result;
  }
  int descriptor() const { return socket_.get(); }

 private:
  bool receive() {
    std::string buffer(65536, '\0');
    const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    received_.append(buffer, 0, static_cast<std::size_t>(got));
    return true;
  }

  peers::Descriptor socket_;
  bool connected_ = false;
  std::string received_;
};

/// What another user does, in a process of his own; killed at the end if it has not ended by itself.
class OtherUser {
 public:
  OtherUser(uid_t uid, gid_t gid, const std::function<bool()>& act) : process_(::fork()) {
    if (process_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const bool became =
        ::setgroups(0, nullptr) == 0 && ::setresgid(gid, gid, gid) == 0 && ::setresuid(uid, uid, uid) == 0;
    ::_exit(became && act() ? 0 : 1);
  }
  ~OtherUser() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  OtherUser(const OtherUser&) = delete;
  OtherUser& operator=(const OtherUser&) = delete;

  /// What `act` said when it ended.
  bool said() {
    int status = 0;
    const bool waited = ::waitpid(process_, &status, 0) == process_;
    process_ = -1;
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t process_;
};

inline constexpr uid_t nobody = 65534;
inline constexpr gid_t nogroup = 65534;

/// "200 OK"
inline std::string status_line(const std::string& answer) {
  const auto begin = answer.find(' ');
  return begin == std::string::npos ? answer : answer.substr(begin + 1, answer.find("\r\n") - begin - 1);
}

inline std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

inline constexpr const char* status_request =
    "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

}  // namespace peerstage::test
