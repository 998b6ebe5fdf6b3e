#include "daemon/service/service_manager.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/datagram_socket.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;
using SteadyClock = std::chrono::steady_clock;

constexpr std::array variables{"NOTIFY_SOCKET",  "LISTEN_PID",   "LISTEN_FDS",
                               "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"};

void forget_all_variables() {
  for (const char* name : variables) ::unsetenv(name);
}

class NotifiedManager : public testing::Test {
 protected:
  NotifiedManager() {
    forget_all_variables();
    ::setenv("NOTIFY_SOCKET", socket_.path().c_str(), 1);
  }
  ~NotifiedManager() override { forget_all_variables(); }

  test::DatagramSocket socket_;
};

TEST_F(NotifiedManager, is_told_each_state_in_its_words) {
  const ServiceManager manager;
  manager.ready();
  manager.stopping();
  manager.status("staging 3 of 12 peers");
  manager.watchdog();
  EXPECT_EQ(socket_.receive(), "READY=1");
  EXPECT_EQ(socket_.receive(), "STOPPING=1");
  EXPECT_EQ(socket_.receive(), "STATUS=staging 3 of 12 peers");
  EXPECT_EQ(socket_.receive(), "WATCHDOG=1");
  EXPECT_EQ(socket_.receive(), "");
}

TEST_F(NotifiedManager, is_told_when_a_reload_began) {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<unsigned long long>(time.tv_sec) * 1'000'000 +
           static_cast<unsigned long long>(time.tv_nsec) / 1'000;
  };
  const ServiceManager manager;
  const auto before = now();
  manager.reloading();
  const auto after = now();
  const std::string message = socket_.receive();
  const std::string beginning = "RELOADING=1\nMONOTONIC_USEC=";
  ASSERT_THAT(message, StartsWith(beginning));
  const auto time = std::stoull(message.substr(beginning.size()));
  EXPECT_GE(time, before);
  EXPECT_LE(time, after);
}

TEST_F(NotifiedManager, is_told_a_status_on_one_line) {
  const ServiceManager manager;
  manager.status("one\nMAINPID=1");
  EXPECT_EQ(socket_.receive(), R"(STATUS=one\x0aMAINPID=1)");
}

TEST_F(NotifiedManager, takes_what_is_ours_from_the_environment) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "control", 1);
  const ServiceManager manager;
  for (const char* name : variables) EXPECT_EQ(std::getenv(name), nullptr) << name;
}

TEST_F(NotifiedManager, waits_for_half_of_the_watchdogs_time) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceManager().watchdog_interval(), 15s);
}

TEST_F(NotifiedManager, has_no_watchdog_when_it_is_meant_for_another_process) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager().watchdog_interval(), std::nullopt);
}

TEST_F(NotifiedManager, that_does_not_read_is_not_waited_for_by_the_watchdog) {
  const ServiceManager manager;
  const auto begun = SteadyClock::now();
  for (int i = 0; i < 10'000; ++i) manager.watchdog();
  manager.status("nobody hears this");
  EXPECT_LT(SteadyClock::now() - begun, 500ms);
  int received = 0;
  while (!socket_.receive().empty()) ++received;
  EXPECT_LT(received, 10'000) << "the queue never was full";
}

TEST_F(NotifiedManager, that_does_not_read_is_waited_for_a_second_by_a_change_of_state) {
  const ServiceManager manager;
  for (int i = 0; i < 10'000; ++i) manager.watchdog();
  const auto begun = SteadyClock::now();
  manager.ready();
  const auto waited = SteadyClock::now() - begun;
  EXPECT_GT(waited, 900ms);
  EXPECT_LT(waited, 3s);
}

TEST_F(NotifiedManager, that_is_an_abstract_socket_is_found) {
  const peers::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  const std::string name = "peerstage-test-" + std::to_string(::getpid());
  sockaddr_un address{AF_UNIX, {}};
  name.copy(&address.sun_path[1], name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  ServiceManager().ready();
  std::array<char, 16> buffer{};
  EXPECT_EQ(::recv(socket.get(), buffer.data(), buffer.size(), 0), 7);
}

TEST(NoServiceManager, does_nothing) {
  forget_all_variables();
  ServiceManager manager;
  manager.ready();
  manager.watchdog();
  EXPECT_EQ(manager.watchdog_interval(), std::nullopt);
  EXPECT_FALSE(manager.listening_socket("control"));
}

TEST(NoServiceManager, at_a_strange_address_does_nothing) {
  for (const std::string& address : {std::string("vsock:2:1"), std::string("x"), std::string("/gone/socket"),
                                     "/" + std::string(200, 'x')}) {
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    ServiceManager().ready();
  }
}

/// Descriptors are passed from number 3 on, which a test program may use itself; so a process of its own
/// looks.
template <typename Look>
int exit_code_with_passed(const peers::Descriptor& first, const peers::Descriptor& second, Look look) {
  const pid_t child = ::fork();
  if (child == 0) {
    // First out of the way, then in place.
    const int one = ::fcntl(first.get(), F_DUPFD, 10), two = ::fcntl(second.get(), F_DUPFD, 10);
    ::dup2(one, 3);
    ::dup2(two, 4);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_FDNAMES", "control:other", 1);
    ServiceManager manager;
    ::_exit(look(manager));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum class Listening { no, yes };

peers::Descriptor stream_socket(const std::string& path, Listening listening) {
  peers::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{AF_UNIX, {}};
  path.copy(address.sun_path, path.size());
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  if (listening == Listening::yes) {
    EXPECT_EQ(::listen(socket.get(), 1), 0);
  }
  return socket;
}

TEST(PassedSocket, is_found_by_its_name_once_and_is_not_for_children) {
  const test::TemporaryDirectory directory;
  const auto listening = stream_socket(directory / "control", Listening::yes);
  const auto other = stream_socket(directory / "other", Listening::yes);
  EXPECT_EQ(0, exit_code_with_passed(listening, other, [](ServiceManager& manager) {
              const auto socket = manager.listening_socket("control");
              if (!socket || socket->get() != 3) return 1;
              if ((::fcntl(3, F_GETFD) & FD_CLOEXEC) == 0 || (::fcntl(4, F_GETFD) & FD_CLOEXEC) == 0)
                return 2;
              if (manager.listening_socket("control")) return 3;
              return manager.listening_socket("unknown") ? 4 : 0;
            }));
}

TEST(PassedSocket, that_does_not_listen_is_none) {
  const test::TemporaryDirectory directory;
  const auto silent = stream_socket(directory / "control", Listening::no);
  EXPECT_EQ(0, exit_code_with_passed(silent, silent, [](ServiceManager& manager) {
              if (manager.listening_socket("control")) return 1;
              return ::fcntl(3, F_GETFD) >= 0 ? 2 : 0;  // it is closed
            }));
}

TEST(Capabilities, are_not_passed_on_to_programs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has capabilities to raise";
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    ::syscall(SYS_capget, &header, data.data());
    data[0].inheritable = 1U << CAP_DAC_READ_SEARCH;
    ::syscall(SYS_capset, &header, data.data());
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) != 0) ::_exit(2);
    const ServiceManager manager;
    ::syscall(SYS_capget, &header, data.data());
    if (data[0].inheritable != 0 || data[0].effective == 0) ::_exit(3);
    ::_exit(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_DAC_READ_SEARCH, 0, 0));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace peerstage::daemon
