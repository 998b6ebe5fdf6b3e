#include "peers/ssh/ssh_connection.h"

#include <utility>

#include "peers/sftp/client.h"
#include "peers/ssh/channel_transport.h"
#include "peers/ssh/identity.h"
#include "peers/ssh/options.h"
#include "peers/ssh/remote_command.h"
#include "peers/ssh/session.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

HostKeyJudgement judge_for(const ConnectionOptions& options, const HostKey& key) {
  std::vector<std::string> paths = options.user_known_hosts;
  paths.insert(paths.end(), options.global_known_hosts.begin(), options.global_known_hosts.end());
  return judge(read_known_hosts(paths), key);
}

std::string add_to_known_hosts(const ConnectionOptions& options, const HostKey& key) {
  if (options.user_known_hosts.empty()) {
    throw PeerError(FailureKind::permanent, "there is no known_hosts file to add the host key of " +
                                                printable(key.host_pattern, 300) +
                                                " to: name one in known_hosts or UserKnownHostsFile");
  }
  append_known_host(options.user_known_hosts.front(), key);
  return options.user_known_hosts.front();
}

PeerError refused(const std::string& machine, const std::string& target, const HostKey& key,
                  const HostKeyJudgement& judgement) {
  const std::string start = "the host key of " + target + " ";
  switch (judgement.verdict) {
    case HostKeyVerdict::changed:
      return {FailureKind::permanent,
              start + "has changed: it shows " + key.type + " " + key.fingerprint + ", but " +
                  judgement.place() + " has " + judgement.known_fingerprint +
                  "; somebody may be listening: ask whoever runs the machine, and only if the new key is "
                  "right remove that line and run `peerstage trust " +
                  machine + "`"};
    case HostKeyVerdict::revoked:
      return {FailureKind::permanent, start + key.fingerprint + " is marked @revoked in " +
                                          judgement.place() + ": the machine needs a new host key"};
    case HostKeyVerdict::unknown:
    case HostKeyVerdict::ok:
      break;
  }
  return {
      FailureKind::permanent,
      start + "is not known: " + key.type + " " + key.fingerprint +
          "; compare it with what `ssh-keygen -lf` shows for the key in /etc/ssh on that machine, then run "
          "`peerstage trust " +
          machine + "`"};
}

}  // namespace

class SshConnection::Implementation {
 public:
  Implementation(std::string machine, config::SshSettings settings, LocalUser user)
      : machine_(std::move(machine)), settings_(std::move(settings)), user_(std::move(user)) {}

  /// After an error nobody knows which answers are still on their way: the next call logs in anew.
  template <typename Call>
  auto with_sftp(Call call) {
    try {
      return call(sftp());
    } catch (...) {
      drop();
      throw;
    }
  }

  void log_in() { session(); }

  CommandResult run(const Command& command) {
    try {
      return run_remote_command(session(), command);
    } catch (...) {
      drop();
      throw;
    }
  }

  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  Session& session() {
    if (session_ && session_->broken()) drop();
    if (!session_) {
      options_ = resolve_options(settings_, user_);
      notes_ = options_.notes;
      auto session = std::make_unique<Session>(machine_, options_);
      check_host_key(*session);
      authenticate(*session);
      session_ = std::move(session);
    }
    return *session_;
  }

  sftp::Client& sftp() {
    Session& open_session = session();
    if (!client_) {
      transport_ = std::make_unique<ChannelTransport>(open_session);
      client_ = std::make_unique<sftp::Client>(*transport_, machine_);
    }
    return *client_;
  }

  void check_host_key(const Session& session) {
    const HostKey key = session.host_key();
    const HostKeyJudgement judgement = judge_for(options_, key);
    notes_.insert(notes_.end(), judgement.notes.begin(), judgement.notes.end());
    if (judgement.verdict == HostKeyVerdict::ok) return;
    const bool learn = judgement.verdict == HostKeyVerdict::unknown &&
                       options_.host_key_policy == config::HostKeyPolicy::accept_new;
    if (!learn) throw refused(machine_, session.target(), key, judgement);
    const std::string unknown =
        "the host key of " + session.target() + " was not known, " + key.type + " " + key.fingerprint;
    if (user_.new_host_keys == NewHostKeys::forgotten) {
      notes_.push_back(unknown + ", and would be added to the known hosts");
      return;
    }
    const std::string file = add_to_known_hosts(options_, key);
    notes_.push_back(unknown + ", and was added to " + printable(file));
  }

  void drop() {
    client_.reset();
    transport_.reset();
    session_.reset();
  }

  std::string machine_;
  config::SshSettings settings_;
  LocalUser user_;
  ConnectionOptions options_;
  std::vector<std::string> notes_;
  std::unique_ptr<Session> session_;  // these three stand on each other
  std::unique_ptr<ChannelTransport> transport_;
  std::unique_ptr<sftp::Client> client_;
};

SshConnection::SshConnection(std::string machine, config::SshSettings settings, LocalUser user)
    : implementation_(
          std::make_unique<Implementation>(std::move(machine), std::move(settings), std::move(user))) {}

SshConnection::~SshConnection() = default;

void SshConnection::log_in() {
  implementation_->log_in();
}

std::optional<FileInfo> SshConnection::lstat(const std::string& path) {
  return implementation_->with_sftp([&](sftp::Client& client) { return client.lstat(path); });
}

std::vector<ListedEntry> SshConnection::list(const std::string& directory, const ListLimits& limits) {
  return implementation_->with_sftp([&](sftp::Client& client) { return client.list(directory, limits); });
}

std::vector<std::vector<ListedEntry>> SshConnection::list_all(const std::vector<std::string>& directories,
                                                              ListLimits limits) {
  return implementation_->with_sftp(
      [&](sftp::Client& client) { return client.list_all(directories, limits); });
}

void SshConnection::fetch(FileReceiver& receiver) {
  implementation_->with_sftp([&](sftp::Client& client) { client.fetch(receiver); });
}

void SshConnection::write_marker(const std::string& path) {
  implementation_->with_sftp([&](sftp::Client& client) { client.write_marker(path); });
}

CommandResult SshConnection::run(const Command& command) {
  return implementation_->run(command);
}

std::vector<std::string> SshConnection::take_notes() {
  return implementation_->take_notes();
}

HostKey probe_host_key(const std::string& machine, const config::SshSettings& settings,
                       const LocalUser& user) {
  const ConnectionOptions options = resolve_options(settings, user);
  const Session session(machine, options);
  return session.host_key();
}

HostKeyJudgement judge_host_key(const config::SshSettings& settings, const LocalUser& user,
                                const HostKey& key) {
  return judge_for(resolve_options(settings, user), key);
}

std::string trust_host_key(const config::SshSettings& settings, const LocalUser& user, const HostKey& key) {
  return add_to_known_hosts(resolve_options(settings, user), key);
}

}  // namespace peerstage::peers::ssh
