#include "failing_system_call.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace peerstage::test {

namespace {

template <std::size_t size>
void install(std::array<sock_filter, size>& program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot filter system calls");
  }
}

}  // namespace

void fail_system_call(long number, int error_number) {
  fail_system_call_from(number, 0, 0, error_number);
}

void fail_system_call_from(long number, unsigned argument, unsigned least, int error_number) {
  const auto wanted = static_cast<std::uint32_t>(number);
  const auto error = static_cast<std::uint32_t>(error_number);
  const auto value =
      static_cast<std::uint32_t>(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));
  std::array<sock_filter, 6> program{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, wanted},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, value},
      {BPF_JMP | BPF_JGE | BPF_K, 0, 1, least},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  }};
  install(program);
}

}  // namespace peerstage::test
