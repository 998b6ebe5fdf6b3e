#include "peers/ssh/remote_command.h"

#include <algorithm>
#include <memory>

#include <libssh/server.h>

#include "peers/ssh/channel.h"
#include "peers/ssh/shell_words.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

struct EventDeleter {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};
using Event = std::unique_ptr<ssh_event_struct, EventDeleter>;

/// What the server sends about a command. Both streams are consumed as they come: libssh would keep what is
/// left, and the stream that nobody reads is the one that grows.
class Report {
 public:
  explicit Report(const Command& command) : command_(command) {}

  ssh_channel_callbacks_struct callbacks() {
    ssh_channel_callbacks_struct callbacks{};
    callbacks.userdata = this;
    callbacks.channel_data_function = [](ssh_session, ssh_channel, void* data, std::uint32_t length,
                                         int is_stderr, void* self) {
      auto& report = *static_cast<Report*>(self);
      take_output(report.command_, report.result_,
                  is_stderr != 0 ? CommandStream::error : CommandStream::output,
                  {static_cast<const char*>(data), length});
      return static_cast<int>(length);
    };
    callbacks.channel_exit_status_function = [](ssh_session, ssh_channel, int status, void* self) {
      ++static_cast<Report*>(self)->statuses_;
      static_cast<Report*>(self)->status_ = status;
    };
    callbacks.channel_exit_signal_function = [](ssh_session, ssh_channel, const char* signal, int,
                                                const char*, const char*, void* self) {
      static_cast<Report*>(self)->result_.signal = printable(signal != nullptr ? signal : "", 32);
    };
    callbacks.channel_close_function = [](ssh_session, ssh_channel, void* self) {
      static_cast<Report*>(self)->closed_ = true;
    };
    return callbacks;
  }

  bool closed() const { return closed_; }

  /// Only exactly one explicit status is one: -1 is what libssh makes of 0xFFFFFFFF.
  CommandResult result() && {
    if (statuses_ == 1 && status_ >= 0 && result_.signal.empty()) result_.exit_status = status_;
    return std::move(result_);
  }

 private:
  const Command& command_;
  CommandResult result_;
  int statuses_ = 0;
  int status_ = -1;
  bool closed_ = false;
};

class RemoteCommand {
 public:
  RemoteCommand(Session& session, const Command& command)
      : session_(session),
        command_(command),
        line_(command.shell_line.empty() ? shell_words(command.argv) : command.shell_line),
        deadline_(command.deadline.count() == 0 ? SteadyClock::time_point::max()
                                                : SteadyClock::now() + command.deadline),
        report_(command),
        callbacks_(report_.callbacks()),
        channel_(session, callbacks_) {}

  CommandResult run() {
    start();
    send_input();
    const Event event(ssh_event_new());
    if (!event || ssh_event_add_session(event.get(), session_.handle()) != SSH_OK) {
      throw PeerError(FailureKind::transient, "no memory to run a command on " + session_.target());
    }
    while (!report_.closed()) follow(event.get());
    return std::move(report_).result();
  }

 private:
  void start() {
    const auto timeout = session_.options().connect_timeout;
    if (command_.begins) command_.begins();
    const int result = session_.within(
        timeout, [this] { return ssh_channel_request_exec(channel_.handle(), line_.c_str()); });
    if (result == SSH_OK) return;
    if (session_.broken()) throw session_.failure("cannot run a command on", timeout);
    throw PeerError(FailureKind::permanent, session_.target() + " refuses to run " + name() + " for " +
                                                printable(session_.options().user, 100));
  }

  /// A command may end without reading all of it: then the rest is dropped.
  void send_input() {
    std::string_view rest = command_.input;
    while (!rest.empty()) {
      const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), 32768));
      const auto patience = std::min(session_.options().idle_timeout, left());
      const int sent = session_.within(
          patience, [&] { return ssh_channel_write(channel_.handle(), rest.data(), length); });
      if (session_.broken()) throw session_.failure("cannot send the input of " + name() + " to", patience);
      if (sent <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    session_.within(session_.options().idle_timeout,
                    [this] { return ssh_channel_send_eof(channel_.handle()); });
  }

  /// Waits for the next thing that the server says.
  void follow(ssh_event event) {
    if (left().count() == 0) give_up();
    const milliseconds idle = session_.options().idle_timeout;
    const milliseconds slice = std::min(idle, left());
    const int result = session_.within(
        slice + idle, [&] { return ssh_event_dopoll(event, static_cast<int>(slice.count())); });
    if (result == SSH_AGAIN && left().count() > 0) {
      session_.within(idle, [this] { return ssh_send_keepalive(session_.handle()); });
      // a refusal of the keepalive is an answer too: OpenSSH refuses all of them
    }
    if (!report_.closed() && session_.broken()) throw session_.failure("lost " + name() + " on", idle);
  }

  [[noreturn]] void give_up() {
    session_.within(std::chrono::seconds(1),
                    [this] { return ssh_channel_request_send_signal(channel_.handle(), "TERM"); });
    session_.watchdog().abort();
    throw PeerError(FailureKind::transient, name() + " on " + session_.target() + " did not end within " +
                                                std::to_string(command_.deadline.count()) +
                                                " ms and was told to stop");
  }

  milliseconds left() const {
    if (deadline_ == SteadyClock::time_point::max()) return std::chrono::hours(24);
    return std::max(std::chrono::ceil<milliseconds>(deadline_ - SteadyClock::now()), milliseconds(0));
  }

  std::string name() const {
    return printable(command_.shell_line.empty() ? command_.argv.front() : command_.shell_line, 200);
  }

  Session& session_;
  const Command& command_;
  std::string line_;
  SteadyClock::time_point deadline_;
  Report report_;
  ssh_channel_callbacks_struct callbacks_;
  Channel channel_;
};

}  // namespace

CommandResult run_remote_command(Session& session, const Command& command) {
  return RemoteCommand(session, command).run();
}

}  // namespace peerstage::peers::ssh
