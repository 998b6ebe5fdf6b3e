#include "tests/faults/injection.h"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/traced_thread.h"

namespace peerstage::faults {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
#endif

constexpr int behind_a_call = SIGTRAP | 0x80;
constexpr int cannot_start = 127;

[[noreturn]] void fail_with(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void* as_pointer(std::uint64_t number) {
  return reinterpret_cast<void*>(number);
}

/// All but these calls run at full speed.
std::vector<sock_filter> filter_for(const std::vector<const CountedCall*>& calls) {
  constexpr std::uint32_t trace = SECCOMP_RET_TRACE, allow = SECCOMP_RET_ALLOW;
  std::vector<sock_filter> program{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, own_architecture},
      {BPF_RET | BPF_K, 0, 0, allow},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
  };
  const auto add = [&program](long number) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)});
    program.push_back({BPF_RET | BPF_K, 0, 0, trace});
  };
  add(SYS_fcntl);  // asks for the lock
  for (const CountedCall* call : calls) add(call->number);
  program.push_back({BPF_RET | BPF_K, 0, 0, allow});
  return program;
}

bool install(std::vector<sock_filter>& program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  const auto try_it = [&filter] { return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0; };
  if (try_it()) return true;
  return errno == EACCES && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && try_it();
}

/// In the child: waits until it is traced, and becomes the command.
[[noreturn]] void become(char* const* command, int traced, std::vector<sock_filter> program) {
  char unused = 0;
  if (::read(traced, &unused, 1) == 0 && install(program)) ::execvp(command[0], command);
  ::_exit(cannot_start);
}

void let_go_on(pid_t thread, int signal = 0) {
  ::ptrace(PTRACE_CONT, thread, nullptr, as_pointer(static_cast<std::uint64_t>(signal)));
}

pid_t process_of(pid_t thread) {
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  for (std::string field; status >> field;) {
    pid_t process = 0;
    if (field == "Tgid:" && status >> process) return process;
  }
  return thread;
}

/// Whether the call is made all the same: a descriptor whose close fails is closed.
bool is_made_before_it_fails(const CountedCall& call) {
  return call.number == SYS_close;
}

}  // namespace

Injection::Injection(Fault fault, Point point, std::function<void(const Findings&)> stopped)
    : fault_(fault), point_(std::move(point)), stopped_(std::move(stopped)) {}

int Injection::run(char* const* command) {
  start(command);
  int status = 0;
  for (;;) {
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0) break;
    if (WIFSTOPPED(status)) {
      on_stop(thread, status);
    } else {
      went_away(thread, status);
    }
  }
  return exit_status_;
}

void Injection::start(char* const* command) {
  int traced[2];
  if (::pipe2(traced, O_CLOEXEC) != 0) fail_with("cannot make a pipe");
  first_process_ = ::fork();
  if (first_process_ < 0) fail_with("cannot fork");
  if (first_process_ == 0) {
    ::close(traced[1]);
    become(command, traced[0], filter_for(calls_with(fault_.kind)));
  }
  ::close(traced[0]);
  constexpr unsigned options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                               PTRACE_O_TRACEVFORK | PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
  if (::ptrace(PTRACE_SEIZE, first_process_, nullptr, as_pointer(options)) != 0) {
    const int error = errno;
    ::kill(first_process_, SIGKILL);
    ::waitpid(first_process_, nullptr, 0);
    throw std::system_error(error, std::generic_category(), "cannot trace a process");
  }
  threads_.insert(first_process_);
  ::close(traced[1]);
}

void Injection::went_away(pid_t thread, int status) {
  threads_.erase(thread);
  if (thread != first_process_) return;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Injection::on_stop(pid_t thread, int status) {
  threads_.insert(thread);
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (is_over_) {
    ::kill(thread, SIGKILL);
  } else if (event != 0) {
    on_event(thread, event, signal);
  } else if (signal == behind_a_call) {
    const auto told = told_after_.find(thread);
    if (told != told_after_.end()) {
      set_result(thread, -told->second);
      told_after_.erase(told);
    }
    let_go_on(thread);
  } else {
    let_go_on(thread, signal);
  }
}

void Injection::on_event(pid_t thread, int event, int signal) {
  const bool is_job_control =
      signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
  if (event == PTRACE_EVENT_SECCOMP) {
    on_call(thread);
  } else if (event == PTRACE_EVENT_STOP && is_job_control) {
    ::ptrace(PTRACE_LISTEN, thread, nullptr, nullptr);  // it stays stopped, as it would be without us
  } else {
    if (event != PTRACE_EVENT_STOP) {
      unsigned long started = 0;
      ::ptrace(PTRACE_GETEVENTMSG, thread, nullptr, &started);
      threads_.insert(static_cast<pid_t>(started));
    }
    let_go_on(thread);
  }
}

void Injection::on_call(pid_t thread) {
  const SystemCall made = call_of(thread);
  if (made.number == SYS_fcntl && made.arguments[1] == F_OFD_SETLK) is_armed_ = true;
  const CountedCall* const call = is_armed_ ? find_call(made.number) : nullptr;
  const Entered entered{thread, call, made.arguments.data()};
  if (call != nullptr && is_hit(entered)) {
    hit(entered);
  } else {
    let_go_on(thread);
  }
}

bool Injection::is_hit(const Entered& entered) {
  const bool counts = (entered.call->kinds & fault_.kind) != 0 &&
                      (point_.only_call.empty() || point_.only_call == entered.call->name) &&
                      can_meet(fault_.kind, entered);
  if (!counts) return false;
  ++findings_.calls;
  if (fault_.action == Action::nothing || point_.number == 0) return false;
  if (findings_.calls == point_.number) return true;
  return fault_.times == Times::from_then_on && findings_.calls > point_.number;
}

void Injection::hit(const Entered& entered) {
  // Who is interrupted at every single call gets nowhere, by right; at every second one of a kind has to
  // arrive.
  if (fault_.kind == interrupted && interrupted_.erase({entered.thread, entered.call->number}) != 0)
    return let_go_on(entered.thread);
  if (!findings_.first) {
    const pid_t process = process_of(entered.thread);
    findings_.first =
        Hit{std::string(entered.call->name), subject_of(entered), process, process == first_process_};
  }
  ++findings_.hits;
  switch (fault_.action) {
    case Action::nothing:
      break;
    case Action::kill_process:
      ::kill(entered.thread, SIGKILL);
      return;
    case Action::kill_everything:
      return kill_everything();
    case Action::stop_everything:
      return stop_everything(entered.thread);
    case Action::fail:
      return fail(entered);
    case Action::shorten:
      set_third_argument(entered.thread, entered.arguments[2] / 2);
      break;
  }
  let_go_on(entered.thread);
}

void Injection::fail(const Entered& entered) {
  if (fault_.kind == interrupted) interrupted_.emplace(entered.thread, entered.call->number);
  if (is_made_before_it_fails(*entered.call)) {
    told_after_[entered.thread] = fault_.error;
    ::ptrace(PTRACE_SYSCALL, entered.thread, nullptr, nullptr);
    return;
  }
  skip_call(entered.thread, -fault_.error);
  let_go_on(entered.thread);
}

void Injection::kill_everything() {
  is_over_ = true;
  for (const pid_t thread : threads_) ::kill(thread, SIGKILL);
}

void Injection::stop_everything(pid_t stopped_already) {
  std::set<pid_t> stopped{stopped_already};
  for (const pid_t thread : threads_) {
    if (thread != stopped_already) ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
  }
  while (stopped.size() < threads_.size()) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL);
    if (thread < 0) break;
    if (!WIFSTOPPED(status)) {
      went_away(thread, status);
      stopped.erase(thread);
      continue;
    }
    const int event = status >> 16;
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
      unsigned long started = 0;
      ::ptrace(PTRACE_GETEVENTMSG, thread, nullptr, &started);
      threads_.insert(static_cast<pid_t>(started));
    }
    threads_.insert(thread);
    stopped.insert(thread);
  }
  stopped_(findings_);
  kill_everything();
}

}  // namespace peerstage::faults
