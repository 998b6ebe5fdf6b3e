#pragma once

#include <cstdint>
#include <functional>
#include <set>

namespace peerstage::test {

/// How a trapped child ended.
enum class TrapResult {
  ran_to_its_end,  ///< the trap was never reached
  killed,          ///< at the trap
  failed,          ///< it ended by itself, but not well
  impossible       ///< ptrace(2) is not allowed here
};

/// Runs `work` in a forked child and kills the child with SIGKILL just before its n-th (from 1) system call
/// out of `calls` (SYS_... numbers), threads included. `work` ends well by returning.
TrapResult kill_at_system_call(const std::set<std::uint64_t>& calls, unsigned n,
                               const std::function<void()>& work);

}  // namespace peerstage::test
