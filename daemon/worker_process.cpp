#include "daemon/worker_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

constexpr auto longest_farewell = std::chrono::seconds(1);

int open_handle(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

std::system_error spawn_error(const char* what) {
  return {errno, std::generic_category(), what};
}

/// Nothing may be thrown into the program that this is a copy of: it would go on as a second one, and end the
/// other workers and remove the files of the first.
[[noreturn]] void run_in_child(const std::function<void(int descriptor)>& body, int descriptor) {
  try {
    body(descriptor);
  } catch (...) {  // the exit status says so
  }
  ::_exit(EXIT_FAILURE);
}

}  // namespace

WorkerProcess::WorkerProcess(const std::function<void(int descriptor)>& body) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw spawn_error("cannot make a pipe for a worker");
  peers::Descriptor read_end(ends[0]), write_end(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw spawn_error("cannot start a worker");
  if (pid_ == 0) {
    read_end.reset();
    run_in_child(body, write_end.get());
  }
  handle_.reset(open_handle(pid_));
  if (!handle_) {
    const auto error = spawn_error("cannot watch a worker");
    kill();
    reap();
    throw error;
  }
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  records_ = std::move(read_end);
}

WorkerProcess::~WorkerProcess() {
  if (pid_ < 0) return;
  kill();
  const peers::Descriptor handle(open_handle(pid_));
  // One that hangs in the kernel is left to init(1).
  if (handle && wait_for_end(handle.get(), longest_farewell)) reap();
}

void WorkerProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int WorkerProcess::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

bool wait_for_end(int handle, std::chrono::milliseconds patience) {
  pollfd watched{handle, POLLIN, 0};
  return ::poll(&watched, 1, static_cast<int>(patience.count())) == 1;
}

}  // namespace peerstage::daemon
