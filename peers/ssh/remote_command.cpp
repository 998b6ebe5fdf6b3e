#include "peers/ssh/remote_command.h"

#include <algorithm>
#include <memory>

#include <libssh/server.h>

#include "peers/command_deadlines.h"
#include "peers/command_rules.h"
#include "peers/shell_words.h"
#include "peers/ssh/channel.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t largest_write = 32768;

struct EventDeleter {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};
using Event = std::unique_ptr<ssh_event_struct, EventDeleter>;

/// What the server sends about a command. Both streams are consumed as they come: libssh would keep what is
/// left, and the stream that nobody reads is the one that grows.
class Report {
 public:
  Report(const Command& command, CommandDeadlines& deadlines) : command_(command), deadlines_(deadlines) {}

  ssh_channel_callbacks_struct callbacks() {
    ssh_channel_callbacks_struct callbacks{};
    callbacks.userdata = this;
    callbacks.channel_data_function = [](ssh_session, ssh_channel, void* data, std::uint32_t length,
                                         int is_stderr, void* self) {
      static_cast<Report*>(self)->take(is_stderr != 0 ? CommandStream::error : CommandStream::output,
                                       {static_cast<const char*>(data), length});
      return static_cast<int>(length);
    };
    callbacks.channel_exit_status_function = [](ssh_session, ssh_channel, int status, void* self) {
      static_cast<Report*>(self)->end_with(status, nullptr);
    };
    callbacks.channel_exit_signal_function = [](ssh_session, ssh_channel, const char* signal, int,
                                                const char*, const char*, void* self) {
      static_cast<Report*>(self)->end_with(no_status, signal != nullptr ? signal : "");
    };
    callbacks.channel_close_function = [](ssh_session, ssh_channel, void* self) {
      static_cast<Report*>(self)->closed_ = true;
    };
    return callbacks;
  }

  bool closed() const { return closed_; }

  /// Only exactly one explicit status is one: -1 is what libssh makes of 0xFFFFFFFF.
  CommandResult result() && {
    if (endings_ == 1 && status_ >= 0) result_.exit_status = status_;
    result_.left_open = !closed_;
    return std::move(result_);
  }

 private:
  static constexpr int no_status = -1;

  void take(CommandStream stream, std::string_view bytes) {
    deadlines_.heard();
    take_output(command_, result_, stream, bytes);
  }
  void end_with(int status, const char* signal) {
    ++endings_;
    status_ = status;
    if (signal != nullptr) result_.signal = printable(signal, 32);
    deadlines_.ended();
  }

  const Command& command_;
  CommandDeadlines& deadlines_;
  CommandResult result_;
  int endings_ = 0;
  int status_ = no_status;
  bool closed_ = false;
};

class RemoteCommand {
 public:
  RemoteCommand(Session& session, const Command& command)
      : session_(session),
        command_(command),
        line_(line()),
        deadlines_(command),
        report_(command, deadlines_),
        callbacks_(report_.callbacks()),
        channel_(session, callbacks_),
        rest_of_input_(command.input) {}

  CommandResult run() {
    start();
    const Event event(ssh_event_new());
    if (!event || ssh_event_add_session(event.get(), session_.handle()) != SSH_OK) {
      throw PeerError(FailureKind::transient, "no memory to run a command on " + session_.target());
    }
    while (!report_.closed() && !deadlines_.waited_enough()) {
      if (deadlines_.exceeded()) give_up();
      feed();
      follow(event.get());
    }
    CommandResult result = std::move(report_).result();
    if (way_ == BecomeWay::with_sudo) judge_sudo(command_, result, session_.target());
    return result;
  }

 private:
  std::string line() {
    judge_command(command_, session_.target());
    if (!command_.shell_line.empty()) return command_.shell_line;
    way_ = way_to_become();
    return shell_words(wrapped_words(command_, way_));
  }

  BecomeWay way_to_become() const {
    const std::string& self = session_.options().user;
    const bool is_self = command_.user.empty() || command_.user == self;
    if (is_self && command_.group.empty()) return BecomeWay::not_needed;
    if (self == "root") return BecomeWay::as_root;
    if (command_.sudo == config::Sudo::never) refuse_user(command_, self, session_.target());
    return BecomeWay::with_sudo;
  }

  void start() {
    const auto timeout = session_.options().connect_timeout;
    if (command_.begins) command_.begins();
    deadlines_.begin();
    const int result = session_.within(
        timeout, [this] { return ssh_channel_request_exec(channel_.handle(), line_.c_str()); });
    if (result == SSH_OK) return;
    if (session_.broken()) throw session_.failure("cannot run a command on", timeout);
    throw PeerError(FailureKind::permanent, session_.target() + " refuses to run " + command_name(command_) +
                                                " for " + printable(session_.options().user, 100));
  }

  /// Sends as much of the input as the server has room for: a command that does not read must not stop us
  /// from hearing it. One that ends without reading all of it is none the worse.
  void feed() {
    const milliseconds patience = session_.options().idle_timeout;
    while (can_feed()) {
      const std::uint32_t room = std::min(ssh_channel_window_size(channel_.handle()), largest_write);
      const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(rest_of_input_.size(), room));
      const int sent = session_.within(
          patience, [&] { return ssh_channel_write(channel_.handle(), rest_of_input_.data(), length); });
      if (session_.broken())
        throw session_.failure("cannot send the input of " + command_name(command_) + " to", patience);
      rest_of_input_.remove_prefix(sent > 0 ? static_cast<std::size_t>(sent) : rest_of_input_.size());
    }
    if (!rest_of_input_.empty() || input_ended_ || report_.closed()) return;
    input_ended_ = true;
    session_.within(patience, [this] { return ssh_channel_send_eof(channel_.handle()); });
  }

  bool can_feed() const {
    return !rest_of_input_.empty() && !report_.closed() && ssh_channel_window_size(channel_.handle()) > 0;
  }

  /// Waits for the next thing that the server says.
  void follow(ssh_event event) {
    const milliseconds idle = session_.options().idle_timeout;
    const milliseconds slice = std::min(idle, deadlines_.left());
    const int result = session_.within(
        slice + idle, [&] { return ssh_event_dopoll(event, static_cast<int>(slice.count())); });
    if (result == SSH_AGAIN && slice == idle) {
      session_.within(idle, [this] { return ssh_send_keepalive(session_.handle()); });
      // a refusal of the keepalive is an answer too: OpenSSH refuses all of them
    }
    if (!report_.closed() && session_.broken())
      throw session_.failure("lost " + command_name(command_) + " on", idle);
  }

  [[noreturn]] void give_up() {
    const std::string exceeded = *deadlines_.exceeded();
    session_.within(std::chrono::seconds(1),
                    [this] { return ssh_channel_request_send_signal(channel_.handle(), "TERM"); });
    session_.watchdog().abort();
    throw PeerError(FailureKind::transient, command_name(command_) + " on " + session_.target() + " " +
                                                exceeded + " and was told to stop");
  }

  Session& session_;
  const Command& command_;
  BecomeWay way_ = BecomeWay::not_needed;
  std::string line_;
  CommandDeadlines deadlines_;
  Report report_;
  ssh_channel_callbacks_struct callbacks_;
  Channel channel_;
  std::string_view rest_of_input_;
  bool input_ended_ = false;
};

}  // namespace

CommandResult run_remote_command(Session& session, const Command& command) {
  return RemoteCommand(session, command).run();
}

}  // namespace peerstage::peers::ssh
