#include "daemon/service/inhibitor.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <variant>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/daemon/environment.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ContainsRegex;
using testing::VariantWith;
using SteadyClock = std::chrono::steady_clock;

TEST(Inhibitor, says_why_there_is_none_without_a_bus) {
  const Environment address("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/gone/bus");
  EXPECT_THAT(inhibit_sleep("staging"),
              VariantWith<std::string>(
                  "this machine is not kept from sleeping: there is no D-Bus: No such file or directory"));
}

TEST(Inhibitor, gives_up_soon_on_a_bus_that_does_not_greet) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "bus";
  const peers::Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{AF_UNIX, {}};
  path.copy(name.sun_path, path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const Environment address("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=" + path);
  const auto begun = SteadyClock::now();
  EXPECT_THAT(inhibit_sleep("staging"),
              VariantWith<std::string>("this machine is not kept from sleeping: logind does not answer"));
  EXPECT_LT(SteadyClock::now() - begun, 2s);
}

/// What `systemd-inhibit` lists.
std::string held_locks() {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen("systemd-inhibit --list --no-legend", "r"),
                                                     ::pclose);
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), output.get()) != nullptr) text += buffer.data();
  return text;
}

/// Logind looks at the other end of the pipe in its own time.
bool is_let_go_of_soon(const std::string& why) {
  for (const auto end = SteadyClock::now() + 10s; SteadyClock::now() < end;) {
    if (held_locks().find(why) == std::string::npos) return true;
  }
  return false;
}

TEST(Inhibitor, is_held_until_its_descriptor_is_closed) {
  const std::string why = "test " + std::to_string(::getpid());
  auto held = inhibit_sleep(why);
  if (const auto* lacking = std::get_if<std::string>(&held)) GTEST_SKIP() << *lacking;
  auto& locks = std::get<Inhibition>(held);
  EXPECT_THAT(held_locks(), AllOf(ContainsRegex("peerstage .* sleep +" + why + " +block"),
                                  ContainsRegex("peerstage .* shutdown +" + why + " +block")));
  for (const auto& lock : locks) EXPECT_NE(::fcntl(lock.get(), F_GETFD) & FD_CLOEXEC, 0);
  locks.clear();
  EXPECT_TRUE(is_let_go_of_soon(why));
}

}  // namespace
}  // namespace peerstage::daemon
