#include "nth_call_fails.h"

#include <cerrno>
#include <cstddef>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace peerstage::test {

struct NthCallFails::Rule {
  unsigned n = 0;
  int error_number = 0;
  Failing failing = Failing::once;
  std::atomic<bool> is_over = false;
  std::atomic<unsigned> seen = 0;

  int error_of_next_call() {
    if (is_over) return 0;
    const unsigned number = ++seen;
    const bool fails = failing == Failing::once ? number == n : number >= n;
    return fails ? error_number : 0;
  }
};

namespace {

std::vector<sock_filter> asking_for(const std::set<std::uint64_t>& calls) {
  std::vector<sock_filter> program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  auto left = static_cast<std::uint8_t>(calls.size());
  for (const std::uint64_t call : calls)
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, left--, 0, static_cast<std::uint32_t>(call)});
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF});
  return program;
}

/// Where the kernel asks what to do about a call (seccomp_unotify(2)).
int listen_for(const std::set<std::uint64_t>& calls) {
  std::vector<sock_filter> program = asking_for(calls);
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  const long listener =
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
          ? -1
          : ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener < 0) throw std::system_error(errno, std::generic_category(), "cannot watch system calls");
  return static_cast<int>(listener);
}

[[noreturn]] void answer(int listener, NthCallFails::Rule& rule) {
  for (;;) {
    seccomp_notif question{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) continue;
    const int error = rule.error_of_next_call();
    const std::uint32_t flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
    seccomp_notif_resp response{question.id, 0, -error, flags};
    ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
}

}  // namespace

NthCallFails::NthCallFails(const std::set<std::uint64_t>& calls, unsigned n, int error_number,
                           Failing failing)
    : rule_(std::make_shared<Rule>()) {
  rule_->n = n;
  rule_->error_number = error_number;
  rule_->failing = failing;
  std::promise<int> listener;
  // Began before the filter is there, so that it goes without.
  std::thread([rule = rule_, known = listener.get_future()]() mutable {
    answer(known.get(), *rule);
  }).detach();
  listener.set_value(listen_for(calls));
}

NthCallFails::~NthCallFails() {
  rule_->is_over = true;
}

bool NthCallFails::happened() const {
  return rule_->seen >= rule_->n;
}

}  // namespace peerstage::test
