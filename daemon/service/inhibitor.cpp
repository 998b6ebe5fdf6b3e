#include "daemon/service/inhibitor.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <systemd/sd-bus.h>
#include <utility>

#include <fcntl.h>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr auto patience = std::chrono::milliseconds(250);

struct CloseBus {
  void operator()(sd_bus* bus) const { ::sd_bus_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;

/// One lock each: what polkit is asked about a lock for both is, up to systemd 252 at least, whether the lid
/// switch may be inhibited.
constexpr std::array kinds{"sleep", "shutdown"};

struct Answers {
  Inhibition locks;
  std::optional<std::string> problem;
  std::size_t came = 0;
};

std::string sentence(const std::string& why) {
  return "this machine is not kept from sleeping: " + why;
}

std::string sentence(const char* what, int negative_error) {
  return sentence(std::string(what) + ": " + std::strerror(-negative_error));
}

/// The message owns its descriptor, so we keep a copy.
int take(sd_bus_message* message, void* data, sd_bus_error* /*unused*/) {
  Answers& answers = *static_cast<Answers*>(data);
  ++answers.came;
  if (const sd_bus_error* error = ::sd_bus_message_get_error(message)) {
    answers.problem = sentence("logind says: " +
                               peers::printable(error->message != nullptr ? error->message : error->name));
    return 0;
  }
  int lock = -1;
  if (const int result = ::sd_bus_message_read(message, "h", &lock); result < 0) {
    answers.problem = sentence("logind's answer is not understood", result);
    return 0;
  }
  answers.locks.emplace_back(::fcntl(lock, F_DUPFD_CLOEXEC, 0));
  if (!answers.locks.back()) answers.problem = sentence("cannot keep logind's lock", -errno);
  return 0;
}

/// Not sd_bus_call(3): that waits for a bus that does not even greet as long as it takes.
std::optional<std::string> wait_for(sd_bus* bus, const Answers& answers) {
  const auto end = steady_clock::now() + patience;
  while (answers.came < kinds.size()) {
    const int result = ::sd_bus_process(bus, nullptr);
    if (result < 0) return sentence("the connection to D-Bus broke", result);
    if (result > 0) continue;
    const auto left = std::chrono::duration_cast<microseconds>(end - steady_clock::now());
    if (left.count() <= 0) return sentence("logind does not answer");
    if (const int waited = ::sd_bus_wait(bus, static_cast<std::uint64_t>(left.count()));
        waited < 0 && waited != -EINTR) {
      return sentence("the connection to D-Bus broke", waited);
    }
  }
  return std::nullopt;
}

}  // namespace

std::variant<Inhibition, std::string> inhibit_sleep(std::string_view why) {
  Answers answers;  // outlives the bus, which may still write to it
  sd_bus* opened = nullptr;
  if (const int result = ::sd_bus_open_system(&opened); result < 0)
    return sentence("there is no D-Bus", result);
  const Bus bus(opened);
  for (const char* kind : kinds) {
    const int sent =
        ::sd_bus_call_method_async(bus.get(), nullptr, "org.freedesktop.login1", "/org/freedesktop/login1",
                                   "org.freedesktop.login1.Manager", "Inhibit", take, &answers, "ssss", kind,
                                   "peerstage", std::string(why).c_str(), "block");
    if (sent < 0) return sentence("D-Bus takes no question", sent);
  }
  if (auto problem = wait_for(bus.get(), answers)) return std::move(*problem);
  if (answers.problem) return std::move(*answers.problem);
  return std::move(answers.locks);
}

}  // namespace peerstage::daemon
