#include "peers/ssh/connect.h"

#include <array>
#include <chrono>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "peers/failure.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using SteadyClock = std::chrono::steady_clock;

std::vector<Address> literal(const std::string& host, std::uint16_t port) {
  return resolve(host, config::Port{port}, config::AddressFamily::any, milliseconds(100));
}

/// A port of the loopback network at which connections are taken, refused or left without an answer.
class Port {
 public:
  enum class Manner { taken, refused, silent };

  explicit Port(Manner manner) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    ::bind(listener_.get(), generic, length);
    ::getsockname(listener_.get(), generic, &length);
    if (manner != Manner::refused) ::listen(listener_.get(), manner == Manner::silent ? 0 : 16);
    addresses_ = literal("127.0.0.1", ntohs(address.sin_port));
    if (manner == Manner::silent) fill_queue(generic, length);
  }

  const std::vector<Address>& addresses() const { return addresses_; }

 private:
  /// Linux does not answer what finds the queue of a listener full.
  void fill_queue(const sockaddr* address, socklen_t length) {
    for (Descriptor& filler : fillers_) {
      filler.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      ::connect(filler.get(), address, length);
    }
  }

  Descriptor listener_;
  std::array<Descriptor, 4> fillers_;
  std::vector<Address> addresses_;
};

std::vector<Address> all(std::initializer_list<const Port*> ports) {
  std::vector<Address> addresses;
  for (const Port* port : ports) {
    addresses.insert(addresses.end(), port->addresses().begin(), port->addresses().end());
  }
  return addresses;
}

TEST(ConnectTcp, GoesOnToTheNextAddressWhenOneRefuses) {
  const Port refused(Port::Manner::refused), taken(Port::Manner::taken);
  const auto start = SteadyClock::now();
  const Descriptor socket =
      connect_tcp(all({&refused, &refused, &taken}), "web1", milliseconds(2000), milliseconds(60000));
  EXPECT_LT(SteadyClock::now() - start, milliseconds(200));
  EXPECT_NE(::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(ConnectTcp, TriesTheNextAddressBesideOneThatIsSilent) {
  const Port silent(Port::Manner::silent), taken(Port::Manner::taken);
  const auto start = SteadyClock::now();
  EXPECT_TRUE(connect_tcp(all({&silent, &taken}), "web1", milliseconds(5000), milliseconds(60000)));
  EXPECT_LT(SteadyClock::now() - start, milliseconds(1500));
}

TEST(ConnectTcp, NamesEveryAddressWithItsReason) {
  const Port silent(Port::Manner::silent), refused(Port::Manner::refused);
  const auto start = SteadyClock::now();
  try {
    connect_tcp(all({&silent, &refused}), "web1 port 1", milliseconds(600), milliseconds(60000));
    FAIL() << "connected";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::transient);
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("cannot connect to web1 port 1"), HasSubstr("127.0.0.1: no answer"),
                      HasSubstr("127.0.0.1: Connection refused")));
  }
  EXPECT_GE(SteadyClock::now() - start, milliseconds(600));
  EXPECT_LT(SteadyClock::now() - start, milliseconds(1500));
}

TEST(Resolve, LiteralAddressesNeedNoResolver) {
  EXPECT_EQ(literal("127.0.0.2", 22).at(0).text, "127.0.0.2");
  EXPECT_EQ(literal("::1", 22).at(0).text, "::1");
}

TEST(Resolve, AFamilyThatIsNotWantedIsNotFound) {
  EXPECT_THROW(resolve("::1", config::Port{22}, config::AddressFamily::ipv4, milliseconds(2000)), PeerError);
  EXPECT_THROW(resolve("127.0.0.1", config::Port{22}, config::AddressFamily::ipv6, milliseconds(2000)),
               PeerError);
}

TEST(Resolve, NamesGoThroughTheResolver) {
  const auto addresses =
      resolve("localhost", config::Port{22}, config::AddressFamily::ipv4, milliseconds(5000));
  EXPECT_EQ(addresses.at(0).text, "127.0.0.1");
}

}  // namespace
}  // namespace peerstage::peers::ssh
