#include "tests/faults/traced_thread.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <elf.h>
#include <system_error>

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

namespace peerstage::faults {
namespace {

void* as_pointer(std::uint64_t number) {
  return reinterpret_cast<void*>(number);
}

/// A thread may be killed by somebody else at any moment; that is seen where its end is waited for.
void expect(long result, const char* what) {
  if (result < 0 && errno != ESRCH) throw std::system_error(errno, std::generic_category(), what);
}

#if defined(__x86_64__)

void set_register(pid_t thread, std::size_t offset, std::uint64_t value) {
  expect(::ptrace(PTRACE_POKEUSER, thread, as_pointer(offset), as_pointer(value)), "cannot set a register");
}

#elif defined(__aarch64__)

void set_registers(pid_t thread, std::uint64_t set, void* values, std::size_t size) {
  iovec area{values, size};
  expect(::ptrace(PTRACE_SETREGSET, thread, as_pointer(set), &area), "cannot set registers");
}

void set_register(pid_t thread, std::size_t number, std::uint64_t value) {
  user_regs_struct registers{};
  iovec area{&registers, sizeof registers};
  expect(::ptrace(PTRACE_GETREGSET, thread, as_pointer(NT_PRSTATUS), &area), "cannot read registers");
  registers.regs[number] = value;
  set_registers(thread, NT_PRSTATUS, &registers, sizeof registers);
}

#else
#error "it is not known here how a system call is changed on this machine"
#endif

}  // namespace

SystemCall call_of(pid_t thread) {
  __ptrace_syscall_info info{};
  const auto request = static_cast<__ptrace_request>(PTRACE_GET_SYSCALL_INFO);
  expect(::ptrace(request, thread, as_pointer(sizeof info), &info), "cannot see a system call");
  SystemCall call{-1, {}};
  if (info.op != PTRACE_SYSCALL_INFO_SECCOMP) return call;
  call.number = static_cast<long>(info.seccomp.nr);
  std::ranges::copy(info.seccomp.args, call.arguments.begin());
  return call;
}

#if defined(__x86_64__)

void skip_call(pid_t thread, long result) {
  set_register(thread, offsetof(user_regs_struct, orig_rax), ~std::uint64_t{0});
  set_result(thread, result);
}

void set_third_argument(pid_t thread, std::uint64_t value) {
  set_register(thread, offsetof(user_regs_struct, rdx), value);
}

void set_result(pid_t thread, long result) {
  set_register(thread, offsetof(user_regs_struct, rax), static_cast<std::uint64_t>(result));
}

#else

void skip_call(pid_t thread, long result) {
  int none = -1;
  set_registers(thread, NT_ARM_SYSTEM_CALL, &none, sizeof none);
  set_result(thread, result);
}

void set_third_argument(pid_t thread, std::uint64_t value) {
  set_register(thread, 2, value);
}

void set_result(pid_t thread, long result) {
  set_register(thread, 0, static_cast<std::uint64_t>(result));
}

#endif

}  // namespace peerstage::faults
