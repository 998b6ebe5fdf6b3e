#include "system_call_trap.h"

#include <cerrno>
#include <csignal>
#include <exception>

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peerstage::test {
namespace {

void* as_pointer(std::uintptr_t number) {
  return reinterpret_cast<void*>(number);
}

[[noreturn]] void be_traced(const std::function<void()>& work) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(99);
  ::raise(SIGSTOP);
  try {
    work();
    ::_exit(0);
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

bool enters(pid_t thread, const std::set<std::uint64_t>& calls) {
  __ptrace_syscall_info info{};
  const long size = ::ptrace(static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO), thread,
                             as_pointer(sizeof info), &info);
  return size > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY && calls.contains(info.entry.nr);
}

TrapResult watch(pid_t child, const std::set<std::uint64_t>& calls, unsigned n) {
  constexpr int at_system_call = SIGTRAP | 0x80;
  unsigned seen = 0;
  for (;;) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0) return TrapResult::failed;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread != child) continue;  // a thread of it
      if (WIFSIGNALED(status)) return TrapResult::killed;
      return WEXITSTATUS(status) == 0 ? TrapResult::ran_to_its_end : TrapResult::failed;
    }
    const int signal = WSTOPSIG(status);
    if (signal == at_system_call && enters(thread, calls) && ++seen == n) {
      ::kill(child, SIGKILL);
      continue;
    }
    // Stops of ptrace's own (a new thread) are not passed on.
    const bool is_real = signal != at_system_call && signal != SIGTRAP && signal != SIGSTOP;
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, as_pointer(is_real ? static_cast<std::uintptr_t>(signal) : 0));
  }
}

}  // namespace

TrapResult kill_at_system_call(const std::set<std::uint64_t>& calls, unsigned n,
                               const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child < 0) return TrapResult::impossible;
  if (child == 0) be_traced(work);
  int status = 0;
  ::waitpid(child, &status, __WALL);
  if (!WIFSTOPPED(status)) return TrapResult::impossible;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
           as_pointer(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
  ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  return watch(child, calls, n);
}

}  // namespace peerstage::test
