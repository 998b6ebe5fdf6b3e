#pragma once

namespace peerstage::test {

/// From now on every system call of this number (SYS_...) fails with `error_number` in all threads of this
/// process and in what it starts. There is no way back: for a forked child.
void fail_system_call(long number, int error_number);
/// Likewise, but only where its argument (from 0), of which the lower 32 bits count, is at least so much.
void fail_system_call_from(long number, unsigned argument, unsigned least, int error_number);

}  // namespace peerstage::test
