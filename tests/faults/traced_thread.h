#pragma once

#include <array>
#include <cstdint>

#include <sys/types.h>

/// What can be done to a thread that stands in front of a system call, or right behind one; see ptrace(2).
namespace peerstage::faults {

struct SystemCall {
  long number;
  std::array<std::uint64_t, 6> arguments;
};

SystemCall call_of(pid_t thread);

/// The call is not made, and its result is this.
void skip_call(pid_t thread, long result);
void set_third_argument(pid_t thread, std::uint64_t value);
/// Behind a call.
void set_result(pid_t thread, long result);

}  // namespace peerstage::faults
