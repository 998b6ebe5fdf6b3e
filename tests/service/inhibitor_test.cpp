#include "daemon/service/inhibitor.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/daemon/environment.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
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

}  // namespace
}  // namespace peerstage::daemon
