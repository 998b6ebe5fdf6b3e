#include "daemon/service/service_manager.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <systemd/sd-daemon.h>

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/one_line.h"

namespace peerstage::daemon {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value != nullptr ? value : "";
  ::unsetenv(name);
  return taken;
}

std::optional<milliseconds> take_watchdog_interval() {
  std::uint64_t timeout = 0;
  if (::sd_watchdog_enabled(1, &timeout) <= 0) return std::nullopt;
  return std::max(std::chrono::duration_cast<milliseconds>(microseconds(timeout)) / 2, milliseconds(1));
}

/// A list of strings as libsystemd gives it away, owned.
class Strings {
 public:
  ~Strings() {
    for (char** string = strings_; string != nullptr && *string != nullptr; ++string) std::free(*string);
    std::free(strings_);  // NOLINT(bugprone-multi-level-implicit-pointer-conversion): free takes anything
  }
  Strings() = default;
  Strings(const Strings&) = delete;
  Strings& operator=(const Strings&) = delete;
  char*** address() { return &strings_; }
  const char* at(int index) const { return strings_[index]; }

 private:
  char** strings_ = nullptr;
};

std::vector<std::pair<std::string, peers::Descriptor>> take_descriptors() {
  Strings names;
  const int count = ::sd_listen_fds_with_names(1, names.address());
  std::vector<std::pair<std::string, peers::Descriptor>> taken;
  for (int i = 0; i < count; ++i) taken.emplace_back(names.at(i), peers::Descriptor(SD_LISTEN_FDS_START + i));
  return taken;
}

/// unix(7): a name that begins with a zero byte, written as `@`, is an abstract one, and its length counts.
std::optional<std::pair<sockaddr_un, socklen_t>> socket_address(const std::string& text) {
  sockaddr_un address{AF_UNIX, {}};
  if (text.size() < 2 || text.size() >= sizeof address.sun_path) return std::nullopt;
  if (text[0] != '/' && text[0] != '@') return std::nullopt;
  std::memcpy(address.sun_path, text.data(), text.size());
  if (text[0] == '@') address.sun_path[0] = '\0';
  return std::pair(address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size()));
}

std::uint64_t monotonic_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

/// What is not inheritable cannot be ambient either. A worker that needs a program to have one makes it so
/// again.
void pass_no_capability_on() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return;
  for (auto& half : data) half.inheritable = 0;
  static_cast<void>(::syscall(SYS_capset, &header, data.data()));
}

}  // namespace

ServiceManager::ServiceManager()
    : address_(take_variable("NOTIFY_SOCKET")),
      watchdog_interval_(take_watchdog_interval()),
      passed_(take_descriptors()) {
  pass_no_capability_on();
  if (address_.empty()) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const timeval second{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
}

void ServiceManager::ready() const {
  send("READY=1", Wait::a_second);
}

void ServiceManager::reloading() const {
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()), Wait::a_second);
}

void ServiceManager::stopping() const {
  send("STOPPING=1", Wait::a_second);
}

void ServiceManager::status(std::string_view text) const {
  send("STATUS=" + one_line(text), Wait::not_at_all);
}

void ServiceManager::watchdog() const {
  send("WATCHDOG=1", Wait::not_at_all);
}

std::optional<peers::Descriptor> ServiceManager::listening_socket(std::string_view name) {
  const auto found = std::ranges::find_if(passed_, [&](const auto& passed) { return passed.first == name; });
  if (found == passed_.end()) return std::nullopt;
  peers::Descriptor socket = std::move(found->second);
  passed_.erase(found);
  if (::sd_is_socket_unix(socket.get(), SOCK_STREAM, 1, nullptr, 0) <= 0) return std::nullopt;
  return socket;
}

/// Named each time, as sd_notify(3) does: the manager may have been executed anew meanwhile.
void ServiceManager::send(const std::string& message, Wait wait) const {
  const auto address = socket_address(address_);
  if (!socket_ || !address) return;
  const int flags = MSG_NOSIGNAL | (wait == Wait::not_at_all ? MSG_DONTWAIT : 0);
  static_cast<void>(::sendto(socket_.get(), message.data(), message.size(), flags,
                             reinterpret_cast<const sockaddr*>(&address->first), address->second));
}

}  // namespace peerstage::daemon
