#include "peers/ssh/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/server.h>

#include "peers/ssh/connect.h"
#include "peers/ssh/resolve.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

/// libssh's own timers cannot tell a timeout from an end, so that the watchdog has to be the one that ends a
/// wait: they come later. As milliseconds, the longest has to be an int, which is what libssh makes of it.
constexpr std::chrono::seconds library_grace{1};
constexpr std::chrono::seconds longest_library_timeout{1'000'000};

// An agent may hold keys of other types; these are the signatures that are worth something.
constexpr const char* signature_algorithms =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256";

/// Refuses whatever the server asks of us (channels, forwardings): without this, libssh keeps each request
/// until somebody looks at it.
int refuse_request(ssh_session, ssh_message, void*) {
  return 1;
}

struct Reason {
  std::string_view text;
  FailureKind kind;
};

/// Of libssh's errors, those that another try does not mend.
constexpr std::array<Reason, 6> lasting_reasons{{
    {"no match for method", FailureKind::permanent},
    {"No version of SSH protocol usable", FailureKind::permanent},
    {"Too many authentication failures", FailureKind::permanent},
    {"too large banner", FailureKind::hostile},
    {"Packet len too high", FailureKind::hostile},
    {"Server specified invalid channel", FailureKind::hostile},
}};

/// How those begin that end the exchange of versions and keys. A server's own words stand behind other ones.
constexpr std::array<std::string_view, 4> errors_of_connecting{
    "kex error : no match for method", "No version of SSH protocol usable",
    "Receiving banner: too large banner", "read_packet(): Packet len too high"};

FailureKind kind_of(std::string_view reason) {
  for (const Reason& lasting : lasting_reasons) {
    if (reason.find(lasting.text) != std::string_view::npos) return lasting.kind;
  }
  return FailureKind::transient;
}

/// Hears what libssh notes while it connects, and keeps the first error that another try does not mend. After
/// it has ended a connection itself it often finds the socket closed, and says in the end no more than that.
class FirstError {
 public:
  explicit FirstError(std::string& error) {
    error.clear();
    ssh_set_log_callback(hear);
    ssh_set_log_userdata(&error);
    ssh_set_log_level(SSH_LOG_TRACE);  // below this it does not note errors
  }
  ~FirstError() {
    ssh_set_log_level(SSH_LOG_NONE);
    ssh_set_log_userdata(nullptr);
  }
  FirstError(const FirstError&) = delete;
  FirstError& operator=(const FirstError&) = delete;

 private:
  /// `buffer` is "FUNCTION: TEXT".
  static void hear(int, const char* function, const char* buffer, void* kept) {
    auto* error = static_cast<std::string*>(kept);
    if (error == nullptr || !error->empty()) return;
    std::string_view text = buffer;
    const std::string prefix = std::string(function) + ": ";
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
    const auto begins = [&](std::string_view begin) { return text.starts_with(begin); };
    if (std::ranges::any_of(errors_of_connecting, begins)) *error = text;
  }
};

std::string describe(const std::string& machine, const ConnectionOptions& options) {
  const std::string port = "port " + std::to_string(options.port.number);
  if (options.host == machine) return machine + " " + port;
  return machine + " (" + printable(options.host, 300) + " " + port + ")";
}

struct HostKeyDeleter {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};

}  // namespace

Session::Session(const std::string& machine, const ConnectionOptions& options)
    : options_(options), target_(describe(machine, options)) {
  std::vector<std::string> paths = options.user_known_hosts;
  paths.insert(paths.end(), options.global_known_hosts.begin(), options.global_known_hosts.end());
  const auto known = read_known_hosts(paths);

  const auto addresses = resolve(options.host, options.port, options.address_family, options.connect_timeout);
  Descriptor socket = connect_tcp(addresses, target_, options.connect_timeout, options.idle_timeout);
  watchdog_.guard(socket.get());

  handle_.reset(ssh_new());
  if (!handle_) throw PeerError(FailureKind::transient, "no memory for a connection to " + target_);
  configure(known);
  if (socket.get() > 0xffff)
    throw PeerError(FailureKind::transient, "too many files are open");  // libssh's limit
  const int number = socket.get();
  set(SSH_OPTIONS_FD, &number, "socket");
  ssh_set_message_callback(handle(), refuse_request, nullptr);

  const int result = within(options.connect_timeout, [&] {
    socket.release();  // libssh closes it from here on
    const FirstError listening(first_error_);
    return ssh_connect(handle());
  });
  if (result != SSH_OK) throw failure("cannot begin an SSH session with", options.connect_timeout);
}

void Session::set(ssh_options_e option, const void* value, const std::string& what) {
  if (ssh_options_set(handle(), option, value) == SSH_OK) return;
  throw PeerError(FailureKind::permanent, "the " + what + " for " + target_ +
                                              " cannot be used: " + printable(ssh_get_error(handle()), 500));
}

void Session::configure(const std::vector<KnownHostsFile>& known) {
  const int no = 0, yes = 1, smallest_rsa_key = 2048;
  const auto list = [this](ssh_options_e option, const std::string& value, const char* what) {
    set(option, value.c_str(), std::string("list of ") + what + " \"" + printable(value, 500) + "\"");
  };
  set(SSH_OPTIONS_PROCESS_CONFIG, &no, "configuration");  // first: libssh would run what Match exec says
  set(SSH_OPTIONS_HOST, "peer", "host");  // we connect ourselves; it only checks the characters
  set(SSH_OPTIONS_USER, options_.user.c_str(), "user " + printable(options_.user, 100));
  set(SSH_OPTIONS_SSH_DIR, "/nonexistent", "directory");
  set(SSH_OPTIONS_KNOWNHOSTS, "/dev/null", "known_hosts file");
  set(SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null", "known_hosts file");
  set(SSH_OPTIONS_STRICTHOSTKEYCHECK, &yes, "host key policy");
  set(SSH_OPTIONS_NODELAY, &yes, "socket option");
  set(SSH_OPTIONS_COMPRESSION, options_.compression == Compression::on ? "zlib@openssh.com,none" : "none",
      "compression");
  list(SSH_OPTIONS_KEY_EXCHANGE, options_.key_exchanges, "key exchanges");
  list(SSH_OPTIONS_CIPHERS_C_S, options_.ciphers, "ciphers");
  list(SSH_OPTIONS_CIPHERS_S_C, options_.ciphers, "ciphers");
  list(SSH_OPTIONS_HMAC_C_S, options_.macs, "MACs");
  list(SSH_OPTIONS_HMAC_S_C, options_.macs, "MACs");
  list(SSH_OPTIONS_HOSTKEYS,
       prefer_key_types(options_.host_key_algorithms, known_key_types(known, options_.known_host)),
       "host key algorithms");
  list(SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, signature_algorithms, "signature algorithms");
  set(SSH_OPTIONS_RSA_MIN_SIZE, &smallest_rsa_key, "RSA key size");
  set(SSH_OPTIONS_PASSWORD_AUTH, &no, "authentication");
  set(SSH_OPTIONS_KBDINT_AUTH, &no, "authentication");
  set(SSH_OPTIONS_GSSAPI_AUTH, &no, "authentication");
}

HostKey Session::host_key() const {
  ssh_key raw = nullptr;
  char* base64 = nullptr;
  if (ssh_get_server_publickey(handle(), &raw) != SSH_OK) {
    throw PeerError(FailureKind::hostile, target_ + " has shown no host key");
  }
  const std::unique_ptr<ssh_key_struct, HostKeyDeleter> key(raw);
  if (ssh_pki_export_pubkey_base64(key.get(), &base64) != SSH_OK) {
    throw PeerError(FailureKind::hostile, "the host key of " + target_ + " cannot be read");
  }
  HostKey result{options_.known_host, ssh_key_type_to_char(ssh_key_type(key.get())), base64, {}};
  ssh_string_free_char(base64);
  result.fingerprint = fingerprint(result.base64);
  return result;
}

void Session::let_library_give_up_after(std::chrono::nanoseconds timeout) {
  const auto wanted = std::chrono::ceil<std::chrono::seconds>(timeout) + library_grace;
  const long seconds = std::min(wanted, longest_library_timeout).count();
  ssh_options_set(handle(), SSH_OPTIONS_TIMEOUT, &seconds);
}

bool Session::broken() const {
  return watchdog_.expired() || !accusation_.empty() || ssh_is_connected(handle()) == 0 ||
         ssh_get_error_code(handle()) == SSH_FATAL;
}

void Session::accuse(const std::string& what) {
  accusation_ = what;
  watchdog_.abort();
}

PeerError Session::failure(const std::string& tried, std::chrono::milliseconds timeout) const {
  const std::string start = tried + " " + target_ + ": ";
  if (!accusation_.empty()) return {FailureKind::hostile, start + accusation_};
  if (watchdog_.expired()) {
    return {FailureKind::transient, start + "no answer within " + std::to_string(timeout.count()) + " ms"};
  }
  const std::string_view last_error = ssh_get_error(handle());
  const std::string_view reason = first_error_.empty() ? last_error : std::string_view(first_error_);
  if (reason.empty()) return {FailureKind::transient, start + "the connection was lost"};
  return {kind_of(reason), start + printable(reason, 500)};
}

}  // namespace peerstage::peers::ssh
