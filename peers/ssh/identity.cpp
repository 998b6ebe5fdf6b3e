#include "peers/ssh/identity.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <openssl/crypto.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "peers/descriptor.h"
#include "peers/ssh/session.h"
#include "peers/ssh/small_file.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

constexpr int most_files = 6;  // sshd's MaxAuthTries

struct KeyDeleter {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using Key = std::unique_ptr<ssh_key_struct, KeyDeleter>;

/// Called by libssh for a key with a passphrase: notes that, and gives none.
int note_passphrase(const char*, char*, std::size_t, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

/// libssh talks to the agent with plain send(2): an agent that dies must not take us along.
class SigpipeBlocked {
 public:
  SigpipeBlocked() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~SigpipeBlocked() {
    const timespec now{};
    if (!was_pending_) ::sigtimedwait(&sigpipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlocked(const SigpipeBlocked&) = delete;
  SigpipeBlocked& operator=(const SigpipeBlocked&) = delete;

 private:
  sigset_t sigpipe_{}, before_{};
  bool was_pending_ = false;
};

class Login {
 public:
  explicit Login(Session& session) : session_(session), options_(session.options()) {}

  void run() {
    const bool configured = !options_.identity_files.empty();
    const bool agent = options_.identity_choice == IdentityChoice::all && !options_.agent_socket.empty();
    if (try_files(options_.identity_files)) return;
    if (agent && try_agent()) return;
    if (!configured && try_files(options_.default_identity_files)) return;
    const std::string what = outcome_.empty() ? "there is no key to log in with" : outcome_;
    throw PeerError(FailureKind::permanent,
                    "cannot log in to " + session_.target() + " as " + printable(options_.user, 100) + ": " +
                        what + "; put the public key into the authorized_keys of that user there");
  }

 private:
  bool try_files(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      const Key key = load(path);
      if (!key) continue;
      if (++offered_ > most_files) {
        note(path, "not tried, since six others were refused");
        continue;
      }
      const int result = session_.within(options_.connect_timeout, [&] {
        return ssh_userauth_publickey(session_.handle(), nullptr, key.get());
      });
      if (accepted(result)) return true;
      note(path, refusal());
    }
    return false;
  }

  /// libssh denies by itself what it does not like: an RSA key that is too short, an old type.
  std::string refusal() const {
    const std::string_view reason = ssh_get_error(session_.handle());
    const bool by_the_machine = reason.empty() || reason.starts_with("Access denied");
    return by_the_machine ? "refused by the machine" : printable(reason, 300);
  }

  bool accepted(int result) {
    if (result == SSH_AUTH_SUCCESS) return true;
    if (result == SSH_AUTH_DENIED) return false;
    if (result == SSH_AUTH_PARTIAL) {
      throw PeerError(FailureKind::permanent, session_.target() + " wants more than a key to log in as " +
                                                  printable(options_.user, 100) +
                                                  ": set AuthenticationMethods publickey for it there");
    }
    throw session_.failure("cannot log in to", options_.connect_timeout);
  }

  Key load(const std::string& path) {
    std::optional<std::string> text;
    try {
      text = read_secret_file(path);
    } catch (const PeerError& error) {
      outcome_ += (outcome_.empty() ? "" : ", ") + std::string(error.what());
      return nullptr;
    }
    if (!text) {
      if (!options_.identity_files.empty()) note(path, "does not exist");
      return nullptr;
    }
    ssh_key key = nullptr;
    bool has_passphrase = false;
    const int result =
        ssh_pki_import_privkey_base64(text->c_str(), nullptr, note_passphrase, &has_passphrase, &key);
    OPENSSL_cleanse(text->data(), text->size());
    if (result == SSH_OK) return Key(key);
    note(path, has_passphrase ? "has a passphrase: load it into an agent, or make a key without one"
                              : "is no private key that can be read");
    return nullptr;
  }

  bool try_agent() {
    Descriptor socket = connect_agent();
    if (!socket) return false;
    session_.watchdog().guard(socket.get());  // an agent may hang as well
    if (ssh_set_agent_socket(session_.handle(), socket.get()) != SSH_OK) return false;
    socket.release();  // libssh closes it
    const SigpipeBlocked blocked;
    const int result = session_.within(options_.connect_timeout,
                                       [&] { return ssh_userauth_agent(session_.handle(), nullptr); });
    if (result != SSH_AUTH_SUCCESS && session_.broken()) {
      throw session_.failure(
          "cannot log in with the keys of the agent " + printable(options_.agent_socket, 300) + " to",
          options_.connect_timeout);
    }
    if (result == SSH_AUTH_ERROR) {  // but the line is fine
      note(options_.agent_socket, "the agent did not sign");
      return false;
    }
    if (accepted(result)) return true;
    note("the agent's keys", refusal());
    return false;
  }

  Descriptor connect_agent() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& path = options_.agent_socket;
    if (path.size() >= sizeof address.sun_path) {
      note(path, "too long for an agent's socket");
      return Descriptor();
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    // non-blocking: an agent whose queue is full refuses at once
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      note(path, "no agent answers there");
      return Descriptor();
    }
    return socket;
  }

  void note(const std::string& what, const std::string& fate) {
    outcome_ += (outcome_.empty() ? "" : ", ") + printable(what, 300) + " (" + fate + ")";
  }

  Session& session_;
  const ConnectionOptions& options_;
  int offered_ = 0;
  std::string outcome_;
};

}  // namespace

void authenticate(Session& session) {
  Login(session).run();
}

}  // namespace peerstage::peers::ssh
