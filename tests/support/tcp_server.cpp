#include "tests/support/tcp_server.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace peerstage::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

peers::Descriptor listen_on(int family, const sockaddr* address, socklen_t length) {
  peers::Descriptor listener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener || ::bind(listener.get(), address, length) != 0 || ::listen(listener.get(), 16) != 0) {
    fail("cannot listen");
  }
  return listener;
}

}  // namespace

bool TcpServer::Line::send(const std::string& bytes) {
  return ::send(caller_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

void TcpServer::Line::wait_for_end() {
  while (!ends_within(std::chrono::hours(1))) {
  }
}

bool TcpServer::Line::ends_within(std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    std::array<pollfd, 2> polled{{{caller_, POLLIN, 0}, {end_, POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) <= 0) continue;
    if (polled[1].revents != 0) return true;
    std::array<char, 4096> forgotten{};
    if (::recv(caller_, forgotten.data(), forgotten.size(), 0) <= 0) return true;
  }
}

TcpServer::TcpServer(Script script) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  listener_ = listen_on(AF_INET, generic, length);
  if (::getsockname(listener_.get(), generic, &length) != 0) fail("cannot find the port");
  port_ = ntohs(address.sin_port);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("cannot make a pipe");
  end_read_.reset(ends[0]);
  end_write_.reset(ends[1]);
  thread_ = std::thread([this, script = std::move(script)] {
    std::array<pollfd, 2> polled{{{listener_.get(), POLLIN, 0}, {end_read_.get(), POLLIN, 0}}};
    while (::poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {
    }
    if (polled[1].revents != 0) return;
    const peers::Descriptor caller(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    Line line(caller.get(), end_read_.get());
    script(line);
  });
}

TcpServer::~TcpServer() {
  end_write_.reset();
  thread_.join();
}

SilentSocket::SilentSocket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  listener_ = listen_on(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace peerstage::test
