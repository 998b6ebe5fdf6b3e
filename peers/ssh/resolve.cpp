#include "peers/ssh/resolve.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include <netdb.h>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// A question to the resolver, with everything that its thread may still read or write.
struct Lookup {
  std::string host, port;
  addrinfo hints{};
  gaicb request{};

  Lookup(const std::string& name, config::Port number, int family, int flags)
      : host(name), port(std::to_string(number.number)) {
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    request.ar_name = host.c_str();
    request.ar_service = port.c_str();
    request.ar_request = &hints;
  }
  ~Lookup() {
    if (request.ar_result != nullptr) ::freeaddrinfo(request.ar_result);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
};

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

/// Waits for the answer; false when the time is over.
bool answered(gaicb& request, std::chrono::milliseconds timeout) {
  const auto deadline = SteadyClock::now() + timeout;
  while (::gai_error(&request) == EAI_INPROGRESS) {
    const auto left =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - SteadyClock::now()).count();
    if (left <= 0) return false;
    const timespec wait{left / 1'000'000'000, left % 1'000'000'000};
    const gaicb* list[] = {&request};
    ::gai_suspend(list, 1, &wait);
  }
  return true;
}

}  // namespace

std::vector<Address> resolve(const std::string& host, config::Port port, config::AddressFamily family,
                             std::chrono::milliseconds timeout) {
  const int wanted = family == config::AddressFamily::ipv4   ? AF_INET
                     : family == config::AddressFamily::ipv6 ? AF_INET6
                                                             : AF_UNSPEC;
  Lookup literal(host, port, wanted, AI_NUMERICHOST);
  if (::getaddrinfo(host.c_str(), literal.port.c_str(), &literal.hints, &literal.request.ar_result) == 0) {
    return addresses(literal.request.ar_result);
  }

  auto lookup = std::make_unique<Lookup>(host, port, wanted, AI_ADDRCONFIG);
  gaicb* list[] = {&lookup->request};
  if (const int error = ::getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr); error != 0) {
    throw failed(host, ::gai_strerror(error));
  }
  if (!answered(lookup->request, timeout) && ::gai_cancel(&lookup->request) != EAI_CANCELED &&
      ::gai_error(&lookup->request) == EAI_INPROGRESS) {
    // The resolver's thread cannot be stopped and will write here when it wakes: the memory is given up.
    static_cast<void>(lookup.release());
    throw failed(host, "the resolver did not answer within " + std::to_string(timeout.count()) + " ms");
  }
  const int error = ::gai_error(&lookup->request);
  if (error == EAI_CANCELED) {
    throw failed(host, "the resolver did not answer within " + std::to_string(timeout.count()) + " ms");
  }
  if (error != 0) throw failed(host, ::gai_strerror(error));
  return addresses(lookup->request.ar_result);
}

}  // namespace peerstage::peers::ssh
