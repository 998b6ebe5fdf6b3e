#include "peers/local_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/child_process.h"
#include "peers/command_deadlines.h"
#include "peers/command_rules.h"
#include "peers/failure.h"
#include "peers/local_account.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

constexpr const char* here = "this machine";
constexpr int not_found = 127, not_started = 126;  // as a shell has it

std::string why(int error) {
  return std::generic_category().message(error);
}

/// Writing into a pipe that nobody reads any more is an error here, not our end.
class PipeSignalBlocked {
 public:
  PipeSignalBlocked() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~PipeSignalBlocked() {
    const timespec at_once{};
    if (sigismember(&before_, SIGPIPE) == 0) ::sigtimedwait(&signal_, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  PipeSignalBlocked(const PipeSignalBlocked&) = delete;
  PipeSignalBlocked& operator=(const PipeSignalBlocked&) = delete;

 private:
  sigset_t signal_{}, before_{};
};

std::vector<std::string> inherited_environment() {
  std::vector<std::string> variables;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) variables.emplace_back(*each);
  return variables;
}

void set(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
  std::erase_if(environment, [&](const std::string& each) { return each.starts_with(name + "="); });
  environment.push_back(name + "=" + value);
}

Launch launch_as_ourselves(const Command& command) {
  Launch launch;
  launch.argv = command.shell_line.empty() ? command.argv
                                           : std::vector<std::string>{"/bin/sh", "-c", command.shell_line};
  launch.environment = inherited_environment();
  for (const auto& [name, value] : command.environment) set(launch.environment, name, value);
  launch.directory = command.directory;
  if (command.umask) launch.umask = *command.umask;
  return launch;
}

/// Becomes the user with the rights of root.
Launch launch_as(const Command& command, const LocalAccount& account) {
  Launch launch = launch_as_ourselves(command);
  launch.identity = ChildIdentity{account.uid, account.gid, account.groups};
  for (const char* name : {"USER", "LOGNAME"}) set(launch.environment, name, account.name);
  set(launch.environment, "HOME", account.home);
  for (const auto& [name, value] : command.environment) set(launch.environment, name, value);
  return launch;
}

Launch launch_with_sudo(const Command& command) {
  Launch launch;
  launch.argv = wrapped_words(command, BecomeWay::with_sudo);
  launch.environment = inherited_environment();
  return launch;
}

bool asks_for_somebody(const Command& command) {
  return !command.user.empty() || !command.group.empty();
}

/// One command on its way to its end.
class LocalCommand {
 public:
  explicit LocalCommand(const Command& command) : command_(command), deadlines_(command) {}

  CommandResult run() {
    judge_command(command_, here);
    try {
      const Launch wanted = launch();
      if (command_.begins) command_.begins();
      ChildProcess child(wanted);
      converse(child);
      take_status(child.wait());
    } catch (const NotLaunched& refusal) {
      take_refusal(refusal);
    }
    if (with_sudo_) judge_sudo(command_, result_, here);
    return std::move(result_);
  }

 private:
  Launch launch() {
    if (!asks_for_somebody(command_)) return launch_as_ourselves(command_);
    const LocalAccount account = look_up_account(command_.user, command_.group);
    if (account.is_us()) return launch_as_ourselves(command_);
    if (::geteuid() == 0) return launch_as(command_, account);
    if (command_.sudo == config::Sudo::never) refuse_user(command_, our_name(), here);
    with_sudo_ = true;
    return launch_with_sudo(command_);
  }

  /// Feeds the input and reads both streams until the command has ended and they have, too.
  void converse(ChildProcess& child) {
    const PipeSignalBlocked no_signal;
    Descriptor input = child.take_input(), output = child.take_output(), error = child.take_error();
    if (command_.input.empty()) input.reset();
    while (output || error || !deadlines_.has_ended()) {
      std::array<pollfd, 4> polled{{{input.get(), POLLOUT, 0},
                                    {output.get(), POLLIN, 0},
                                    {error.get(), POLLIN, 0},
                                    {deadlines_.has_ended() ? -1 : child.handle(), POLLIN, 0}}};
      const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(deadlines_.left().count()));
      if (ready < 0) continue;  // EINTR
      if (polled[0].revents != 0) feed(input);
      if (polled[1].revents != 0) drain(output, CommandStream::output);
      if (polled[2].revents != 0) drain(error, CommandStream::error);
      if (polled[3].revents != 0) deadlines_.ended();
      if (const auto exceeded = deadlines_.exceeded()) {
        throw PeerError(FailureKind::transient,
                        command_name(command_) + " on " + here + " was killed: it " + *exceeded);
      }
      result_.left_open = deadlines_.waited_enough() && (output || error);
      if (result_.left_open) return;
    }
  }

  void feed(Descriptor& input) {
    const std::string_view rest = std::string_view(command_.input).substr(fed_);
    const ssize_t sent = ::write(input.get(), rest.data(), rest.size());
    if (sent > 0) fed_ += static_cast<std::size_t>(sent);
    const bool broken = sent < 0 && errno != EINTR && errno != EAGAIN;  // it ended without reading it all
    if (broken || fed_ == command_.input.size()) input.reset();
  }

  void drain(Descriptor& stream, CommandStream which) {
    const ssize_t got = ::read(stream.get(), buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      stream.reset();
      return;
    }
    deadlines_.heard();
    take_output(command_, result_, which, {buffer_.data(), static_cast<std::size_t>(got)});
  }

  void take_status(int status) {
    if (WIFEXITED(status)) result_.exit_status = WEXITSTATUS(status);
    if (!WIFSIGNALED(status)) return;
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    result_.signal = name != nullptr ? name : std::to_string(WTERMSIG(status));
  }

  /// What a shell would say of it.
  void take_refusal(const NotLaunched& refusal) {
    using Step = NotLaunched::Step;
    const std::string tried = "cannot run " + command_name(command_) + " on " + here;
    if (refusal.step() == Step::fork) throw system_error(tried, refusal.error());
    if (refusal.step() == Step::identity)
      throw system_error(tried + " as " + printable(command_.user, 100), refusal.error());
    const bool in_directory = refusal.step() == Step::directory;
    const std::string place = in_directory ? " in " + printable(command_.directory, 300) : "";
    const bool missing = refusal.error() == ENOENT || refusal.error() == ENOTDIR;
    result_.exit_status = missing && !in_directory ? not_found : not_started;
    take_output(command_, result_, CommandStream::error, tried + place + ": " + why(refusal.error()) + "\n");
  }

  const Command& command_;
  CommandDeadlines deadlines_;
  CommandResult result_;
  std::array<char, 65536> buffer_{};
  std::size_t fed_ = 0;
  bool with_sudo_ = false;
};

}  // namespace

CommandResult run_local_command(const Command& command) {
  return LocalCommand(command).run();
}

}  // namespace peerstage::peers
