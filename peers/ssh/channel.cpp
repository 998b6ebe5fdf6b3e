#include "peers/ssh/channel.h"

namespace peerstage::peers::ssh {

Channel::Channel(Session& session, ssh_channel_callbacks_struct& callbacks)
    : session_(session), callbacks_(callbacks), handle_(ssh_channel_new(session.handle())) {
  if (handle_ == nullptr)
    throw session.failure("cannot make a channel to", session.options().connect_timeout);
  ssh_callbacks_init(&callbacks_);
  const auto timeout = session.options().connect_timeout;
  if (ssh_add_channel_callbacks(handle_, &callbacks_) == SSH_OK &&
      session.within(timeout, [this] { return ssh_channel_open_session(handle_); }) == SSH_OK) {
    return;
  }
  const PeerError failure = session.failure("cannot open a channel to", timeout);
  close();
  throw failure;
}

Channel::~Channel() {
  close();
}

void Channel::close() noexcept {
  // The channel itself lives on in the session until the server has closed it too, and what it still sends
  // must not reach callbacks that are gone.
  ssh_remove_channel_callbacks(handle_, &callbacks_);
  session_.within(session_.options().connect_timeout, [this] {
    ssh_channel_free(handle_);
    return SSH_OK;
  });
}

}  // namespace peerstage::peers::ssh
