#include "peers/local_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <spawn.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Pipe {
  Descriptor read_end, write_end;
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("cannot make a pipe for a command", errno);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
};

/// The attributes of a child: a process group of its own, no signal blocked or ignored.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

class SpawnActions {
 public:
  SpawnActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  void dup(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// Owns a running command; ends its whole process group when it goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ < 0) return;
    kill();
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill() const { ::kill(-pid_, SIGKILL); }
  /// Waits for the end without reaping; false when the time is over (-1: no limit).
  bool ends_within(int milliseconds) const {
    const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    pollfd polled{handle.get(), POLLIN, 0};
    int ready = 0;
    while ((ready = ::poll(&polled, 1, milliseconds)) < 0 && errno == EINTR) {
    }
    return ready > 0;
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

int milliseconds_left(const Command& command, SteadyTime start) {
  if (command.deadline.count() == 0) return -1;
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  return static_cast<int>(std::clamp<std::int64_t>((command.deadline - passed).count(), 0, 1'000'000'000));
}

/// Reads what is there; false at the end of the stream.
bool drain(int descriptor, CommandStream stream, const Command& command, CommandResult& result) {
  std::array<char, 65536>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): only what is read is used
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  take_output(command, result, stream, {buffer.data(), static_cast<std::size_t>(got)});
  return true;
}

std::string words(const Command& command) {
  if (!command.shell_line.empty()) return printable(command.shell_line, 200);
  return command.argv.empty() ? std::string() : printable(command.argv.front(), 200);
}

pid_t spawn(const Command& command, const Pipe& input, const Pipe& output, const Pipe& error) {
  std::vector<std::string> strings = command.argv;
  if (!command.shell_line.empty()) strings = {"/bin/sh", "-c", command.shell_line};
  if (strings.empty()) throw PeerError(FailureKind::permanent, "cannot run a command without words");
  std::vector<char*> argv;
  for (std::string& word : strings) argv.push_back(word.data());
  argv.push_back(nullptr);

  SpawnActions actions;
  actions.dup(input.read_end.get(), STDIN_FILENO);
  actions.dup(output.write_end.get(), STDOUT_FILENO);
  actions.dup(error.write_end.get(), STDERR_FILENO);
  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], actions.get(), attributes.get(), argv.data(), environ);
  if (failed != 0) throw system_error("cannot run " + words(command) + " on this machine", failed);
  return pid;
}

/// Feeds the input and reads both streams until both have ended. False: the deadline came first.
bool converse(const Command& command, SteadyTime start, CommandResult& result, Descriptor& input,
              Descriptor& output, Descriptor& error) {
  std::size_t written = 0;
  if (command.input.empty()) input.reset();
  while (output || error) {
    std::array<pollfd, 3> polled{
        {{input.get(), POLLOUT, 0}, {output.get(), POLLIN, 0}, {error.get(), POLLIN, 0}}};
    const int ready = ::poll(polled.data(), polled.size(), milliseconds_left(command, start));
    if (ready == 0) return false;
    if (ready < 0) continue;  // EINTR
    if (polled[0].revents != 0) {
      const ssize_t sent =
          ::write(input.get(), command.input.data() + written, command.input.size() - written);
      if (sent > 0) written += static_cast<std::size_t>(sent);
      const bool broken = sent < 0 && errno != EINTR && errno != EAGAIN;
      if (broken || written == command.input.size()) input.reset();
    }
    if (polled[1].revents != 0 && !drain(output.get(), CommandStream::output, command, result)) {
      output.reset();
    }
    if (polled[2].revents != 0 && !drain(error.get(), CommandStream::error, command, result)) {
      error.reset();
    }
  }
  return true;
}

}  // namespace

CommandResult run_local_command(const Command& command) {
  const SteadyTime start = std::chrono::steady_clock::now();
  Pipe input, output, error;
  if (command.begins) command.begins();
  Child child(spawn(command, input, output, error));
  input.read_end.reset();
  output.write_end.reset();
  error.write_end.reset();
  ::fcntl(input.write_end.get(), F_SETFL, O_NONBLOCK);

  CommandResult result;
  // A command may close its streams and go on: the deadline counts for both.
  if (!converse(command, start, result, input.write_end, output.read_end, error.read_end) ||
      !child.ends_within(milliseconds_left(command, start))) {
    throw PeerError(FailureKind::transient, words(command) +
                                                " on this machine was killed: it did not end within " +
                                                std::to_string(command.deadline.count()) + " ms");
  }
  const int status = child.wait();
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    result.signal = name != nullptr ? name : std::to_string(WTERMSIG(status));
  }
  return result;
}

}  // namespace peerstage::peers
