#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/stage_plan.h"
#include "peers/connection.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/local_user.h"

namespace peerstage::peers::ssh {

/// A machine behind SSH. Nothing is contacted before the first call that needs it; that call logs in, and so
/// does the first one after an error.
///
/// Each stage of the login is bounded by the connect timeout, every later wait by the idle timeout, a command
/// by its own deadline as well. A login that fails because of names, the line or silence is transient;
/// because of a host key, a refused key or the configuration permanent; because a rule of the protocol was
/// broken hostile.
class SshConnection final : public Connection {
 public:
  /// `machine` is what the messages call it.
  SshConnection(std::string machine, config::SshSettings settings, LocalUser user);
  ~SshConnection() override;

  /// Logs in now, where that has not been done: what goes wrong later is not the login's.
  void log_in();

  std::optional<FileInfo> lstat(const std::string& path) override;
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) override;
  std::vector<std::vector<ListedEntry>> list_all(const std::vector<std::string>& directories,
                                                 ListLimits limits) override;
  void fetch(FileReceiver& receiver) override;
  void write_marker(const std::string& path) override;
  /// See remote_command.h; a shell line is sent byte for byte.
  CommandResult run(const Command& command) override;

  std::vector<std::string> take_notes() override;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// Connects far enough to learn the host key; no authentication begins. Throws PeerError.
HostKey probe_host_key(const std::string& machine, const config::SshSettings& settings,
                       const LocalUser& user);

/// What the known_hosts files that count for the machine say about a key. Throws PeerError.
HostKeyJudgement judge_host_key(const config::SshSettings& settings, const LocalUser& user,
                                const HostKey& key);

/// Appends the key to the first of the user's known_hosts files and returns that file's path. Throws
/// PeerError.
std::string trust_host_key(const config::SshSettings& settings, const LocalUser& user, const HostKey& key);

}  // namespace peerstage::peers::ssh
