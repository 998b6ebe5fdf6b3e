#include "peers/ssh/channel_transport.h"

#include <algorithm>
#include <climits>
#include <string_view>

#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// What an honest server may have sent beyond what was asked for: libssh's smallest window, and some.
constexpr std::size_t window_slack = 8U << 20U;
constexpr std::chrono::seconds after_the_watchdog{1};

}  // namespace

ChannelTransport::ChannelTransport(Session& session)
    : session_(session),
      patience_(session.options().connect_timeout),
      callbacks_([this] {
        ssh_channel_callbacks_struct callbacks{};
        callbacks.userdata = this;
        callbacks.channel_data_function = on_data;
        return callbacks;
      }()),
      channel_(session, callbacks_) {
  const auto timeout = session.options().connect_timeout;
  if (session.within(timeout, [this] { return ssh_channel_request_sftp(channel_.handle()); }) == SSH_OK)
    return;
  if (session.broken()) throw session.failure("cannot start SFTP on", timeout);
  throw PeerError(FailureKind::permanent, session.target() +
                                              " offers no SFTP: check that its sshd_config has a line "
                                              "\"Subsystem sftp ...\" and no forced command for this key");
}

int ChannelTransport::on_data(ssh_session, ssh_channel, void*, std::uint32_t length, int is_stderr,
                              void* self) {
  auto& transport = *static_cast<ChannelTransport*>(self);
  if (is_stderr != 0) return static_cast<int>(length);  // OpenSSH sends none for a subsystem
  // libssh keeps what nobody has read, whatever the window was
  if (length > 2 * transport.most_wanted_ + window_slack) {
    transport.session_.accuse("it sends far more than it was allowed to");
  }
  return 0;
}

template <typename Call>
int ChannelTransport::waiting(Call call) {
  const auto start = SteadyClock::now();
  session_.let_library_give_up_after(patience_);
  session_.watchdog().arm(start + patience_);
  const int result = call();
  session_.watchdog().disarm();
  patience_ = std::max<std::chrono::nanoseconds>(patience_ - (SteadyClock::now() - start), {});
  return result;
}

PeerError ChannelTransport::lost() const {
  const auto& options = session_.options();
  return session_.failure("lost the SFTP connection to",
                          answered_once_ ? options.idle_timeout : options.connect_timeout);
}

void ChannelTransport::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), 1U << 20U));
    const int sent = waiting([&] { return ssh_channel_write(channel_.handle(), bytes.data(), length); });
    if (sent <= 0 || session_.broken()) throw lost();
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

std::size_t ChannelTransport::receive(std::span<std::byte> buffer) {
  most_wanted_ = std::max(most_wanted_, buffer.size());
  const auto wanted = static_cast<std::uint32_t>(std::min<std::size_t>(buffer.size(), INT_MAX));
  while (true) {
    const auto limit = std::chrono::ceil<std::chrono::milliseconds>(patience_ + after_the_watchdog).count();
    const int most = static_cast<int>(std::min<std::int64_t>(limit, INT_MAX));
    const int got =
        waiting([&] { return ssh_channel_read_timeout(channel_.handle(), buffer.data(), wanted, 0, most); });
    if (got > 0) return static_cast<std::size_t>(got);
    if (got < 0 || session_.broken()) throw lost();
    if (ssh_channel_is_eof(channel_.handle()) != 0) break;
  }
  if (answered_once_) return 0;
  throw PeerError(
      FailureKind::permanent,
      session_.target() +
          " ended SFTP before it began: check the Subsystem line of its sshd_config and the user's shell");
}

/// By its identification string (RFC 4253, section 4.2).
bool ChannelTransport::is_openssh() const {
  const char* banner = ::ssh_get_serverbanner(session_.handle());
  return banner != nullptr && std::string_view(banner).starts_with("SSH-2.0-OpenSSH_");
}

void ChannelTransport::answered() {
  answered_once_ = true;
  patience_ = session_.options().idle_timeout;
}

}  // namespace peerstage::peers::ssh
