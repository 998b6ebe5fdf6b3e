#include "peers/ssh/resolve.h"

#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>

#include <netdb.h>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

struct Freer {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, Freer>;

/// What the resolver says: a list, or an error of getaddrinfo(3).
struct Answer {
  int error = 0;
  AddressList list;
};

Answer ask(const std::string& host, config::Port port, int family, int flags) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port.number).c_str(), &hints, &list);
  return {error, AddressList(list)};
}

std::vector<Address> addresses(const addrinfo* first) {
  std::vector<Address> found;
  for (const addrinfo* info = first; info != nullptr; info = info->ai_next) {
    Address address;
    if (info->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
    address.length = info->ai_addrlen;
    char text[NI_MAXHOST] = "";
    ::getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
    address.text = text;
    found.push_back(std::move(address));
  }
  return found;
}

PeerError failed(const std::string& host, const std::string& why) {
  return {FailureKind::transient, "cannot find the address of " + printable(host, 300) + ": " + why};
}

/// The question owns all that it touches: nothing can stop a resolver that hangs, so that its thread is left
/// behind and ends when the resolver gives up.
std::future<Answer> ask_aside(const std::string& host, config::Port port, int family) {
  std::packaged_task<Answer()> question([=] { return ask(host, port, family, 0); });
  std::future<Answer> answer = question.get_future();
  try {
    std::thread(std::move(question)).detach();
  } catch (const std::system_error& error) {
    throw failed(host, error.code().message());
  }
  return answer;
}

}  // namespace

std::vector<Address> resolve(const std::string& host, config::Port port, config::AddressFamily family,
                             std::chrono::milliseconds timeout) {
  const int wanted = family == config::AddressFamily::ipv4   ? AF_INET
                     : family == config::AddressFamily::ipv6 ? AF_INET6
                                                             : AF_UNSPEC;
  const Answer literal = ask(host, port, wanted, AI_NUMERICHOST);
  if (literal.error == 0) return addresses(literal.list.get());

  std::future<Answer> future = ask_aside(host, port, wanted);
  if (future.wait_for(timeout) != std::future_status::ready) {
    throw failed(host, "the resolver did not answer within " + std::to_string(timeout.count()) + " ms");
  }
  const Answer answer = future.get();
  if (answer.error != 0) throw failed(host, ::gai_strerror(answer.error));
  return addresses(answer.list.get());
}

}  // namespace peerstage::peers::ssh
