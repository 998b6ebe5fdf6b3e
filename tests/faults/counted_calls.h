#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

/// Which system calls can meet which faults.
namespace peerstage::faults {

/// Kinds of faults; each has its own set of calls that it can hit.
enum Kind : unsigned {
  end = 1U << 0,             ///< the process, or the machine, is gone in front of the call
  no_room = 1U << 1,         ///< ENOSPC, EDQUOT
  broken_disk = 1U << 2,     ///< EIO
  read_only = 1U << 3,       ///< EROFS
  no_descriptors = 1U << 4,  ///< EMFILE, ENFILE
  interrupted = 1U << 5,     ///< EINTR
  shortened = 1U << 6        ///< only half of what was to be written is
};

/// What a call is about, in its arguments.
enum class Subject { nothing, descriptor, path_at };

struct CountedCall {
  std::string_view name;
  long number;
  unsigned kinds;  ///< the faults that it can meet, of Kind
  Subject subject;
};

/// One call that a stopped thread is about to make.
struct Entered {
  pid_t thread;
  const CountedCall* call;
  const std::uint64_t* arguments;  ///< six
};

std::vector<const CountedCall*> calls_with(Kind kind);
const CountedCall* find_call(long number);

/// Whether this very call can meet the fault: only a creating open needs room, only a file on a disk can
/// break.
bool can_meet(Kind kind, const Entered& entered);

/// The file or directory that it is about, for people; "" when it is about none.
std::string subject_of(const Entered& entered);

}  // namespace peerstage::faults
