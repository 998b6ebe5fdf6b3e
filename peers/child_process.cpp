#include "peers/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace peerstage::peers {
namespace {

using Step = NotLaunched::Step;

constexpr const char* default_path = "/usr/local/bin:/usr/bin:/bin";
constexpr int first_own_descriptor = STDERR_FILENO + 1;

/// Close-on-exec, and never at the place of a standard stream.
struct Pipe {
  Descriptor read_end, write_end;
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw NotLaunched(Step::fork, errno);
    read_end = above_the_standard_streams(Descriptor(ends[0]));
    write_end = above_the_standard_streams(Descriptor(ends[1]));
  }

 private:
  static Descriptor above_the_standard_streams(Descriptor end) {
    if (end.get() >= first_own_descriptor) return end;
    Descriptor moved(::fcntl(end.get(), F_DUPFD_CLOEXEC, first_own_descriptor));
    if (!moved) throw NotLaunched(Step::fork, errno);
    return moved;
  }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& each : strings) result.push_back(each.data());
  result.push_back(nullptr);
  return result;
}

std::string path_of(const std::vector<std::string>& environment) {
  constexpr std::string_view name = "PATH=";
  for (const std::string& variable : environment)
    if (variable.starts_with(name)) return variable.substr(name.size());
  return default_path;
}

/// Where the program may be, in the order in which a shell looks.
std::vector<std::string> candidates(const Launch& launch) {
  const std::string& program = launch.argv.front();
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> found;
  const std::string path = path_of(launch.environment);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string directory = path.substr(begin, end - begin);
    found.push_back(directory.empty() ? program : directory + "/" + program);
    begin = end + 1;
  }
  return found;
}

/// What the child tells when it cannot run its program; it tells nothing when it can.
struct Refusal {
  Step step;
  int error;
};

/// The child between fork(2) and execve(2). Other threads may have held any lock when it was forked, so it
/// makes system calls and nothing else; all that it needs was made before.
class Child {
 public:
  Child(const Launch& launch, int input, int output, int error, int refusals)
      : launch_(launch),
        input_(input),
        output_(output),
        error_(error),
        refusals_(refusals),
        words_(launch.argv),
        variables_(launch.environment),
        candidates_(peers::candidates(launch)),
        argv_(pointers(words_)),
        environment_(pointers(variables_)),
        programs_(pointers(candidates_)) {
    // A script without "#!" is one for the shell.
    shell_argv_ = {shell_.data(), nullptr};
    shell_argv_.insert(shell_argv_.end(), argv_.begin() + 1, argv_.end());
  }

  [[noreturn]] void run() {
    ::setpgid(0, 0);
    use_default_signals();
    if (::dup2(input_, STDIN_FILENO) < 0 || ::dup2(output_, STDOUT_FILENO) < 0 ||
        ::dup2(error_, STDERR_FILENO) < 0) {
      refuse(Step::fork);
    }
    ::syscall(SYS_close_range, first_own_descriptor, ~0U, CLOSE_RANGE_CLOEXEC);
    if (launch_.identity) become(*launch_.identity);
    if (launch_.umask) ::umask(*launch_.umask);
    if (!launch_.directory.empty() && ::chdir(launch_.directory.c_str()) != 0) refuse(Step::directory);
    execute();
  }

 private:
  static void use_default_signals() {
    struct sigaction defaults {};
    defaults.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &defaults, nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  void become(const ChildIdentity& identity) {
    // The raw calls: those of the C library tell all threads, and there are none here to answer.
    if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0 ||
        ::syscall(SYS_setresgid, identity.group, identity.group, identity.group) != 0 ||
        ::syscall(SYS_setresuid, identity.user, identity.user, identity.user) != 0) {
      refuse(Step::identity);
    }
  }

  [[noreturn]] void execute() {
    int error = ENOENT;
    for (char* const program : programs_) {
      if (program == nullptr) break;
      ::execve(program, argv_.data(), environment_.data());
      if (errno == ENOEXEC) {
        shell_argv_[1] = program;
        ::execve(shell_.data(), shell_argv_.data(), environment_.data());
      }
      const int refused = errno;
      // A directory of the path that we may not look into holds nothing for us.
      const bool is_elsewhere = refused == ENOENT || refused == ENOTDIR ||
                                (refused == EACCES && ::access(program, F_OK) != 0 && errno == EACCES);
      if (!is_elsewhere) error = refused;
      if (!is_elsewhere && refused != EACCES) break;
    }
    errno = error;
    refuse(Step::program);
  }

  [[noreturn]] void refuse(Step step) {
    const Refusal refusal{step, errno};
    static_cast<void>(!::write(refusals_, &refusal, sizeof refusal));
    ::_exit(127);
  }

  const Launch& launch_;
  int input_, output_, error_, refusals_;
  std::vector<std::string> words_, variables_, candidates_;
  std::string shell_ = "/bin/sh";
  std::vector<char*> argv_, environment_, programs_, shell_argv_;
};

/// In the guardian. A byte on the leash lets it go; its end, because whoever held it is gone, is the end of
/// the whole group, this process included. System calls only, see above.
[[noreturn]] void guard(pid_t group, int leash) {
  ::setpgid(0, group);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  if (leash > 0) ::syscall(SYS_close_range, 0U, static_cast<unsigned>(leash) - 1, 0U);
  ::syscall(SYS_close_range, static_cast<unsigned>(leash) + 1, ~0U, 0U);
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(leash, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 0) ::kill(-group, SIGKILL);
  ::_exit(0);
}

int reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

ChildProcess::ChildProcess(const Launch& launch) {
  Pipe input, output, error, refusals, leash;
  Child child(launch, input.read_end.get(), output.write_end.get(), error.write_end.get(),
              refusals.write_end.get());
  pid_ = ::fork();
  if (pid_ < 0) throw NotLaunched(Step::fork, errno);
  if (pid_ == 0) child.run();
  ::setpgid(pid_, pid_);  // the child does so, too: whoever comes first
  refusals.write_end.reset();
  leash_ = std::move(leash.write_end);

  guardian_ = ::fork();
  if (guardian_ == 0) {
    leash_.reset();
    guard(pid_, leash.read_end.get());
  }
  handle_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  Refusal refusal{Step::fork, errno};
  bool is_refused = guardian_ < 0 || !handle_;
  if (!is_refused) {
    ssize_t got = 0;
    while ((got = ::read(refusals.read_end.get(), &refusal, sizeof refusal)) < 0 && errno == EINTR) {
    }
    is_refused = got == sizeof refusal;
  }
  if (is_refused) {
    kill();
    throw NotLaunched(refusal.step, refusal.error);
  }
  input_ = std::move(input.write_end);
  output_ = std::move(output.read_end);
  error_ = std::move(error.read_end);
  for (const Descriptor* ours : {&input_, &output_, &error_}) ::fcntl(ours->get(), F_SETFL, O_NONBLOCK);
}

ChildProcess::~ChildProcess() {
  kill();
}

void ChildProcess::kill() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // it may not have a group yet
    reap(pid_);
    pid_ = -1;
  }
  leash_.reset();
  if (guardian_ > 0) reap(guardian_);
  guardian_ = -1;
}

int ChildProcess::wait() {
  const int status = reap(pid_);
  pid_ = -1;
  static_cast<void>(!::write(leash_.get(), "", 1));
  leash_.reset();
  reap(guardian_);
  guardian_ = -1;
  return status;
}

}  // namespace peerstage::peers
