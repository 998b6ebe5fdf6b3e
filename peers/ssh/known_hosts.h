#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The known_hosts files of sshd(8), read by ourselves: what a host's key is worth. The reading is a pure
/// function of text.
namespace peerstage::peers::ssh {

/// The key that a server has shown.
struct HostKey {
  std::string host_pattern;  ///< as known_hosts writes it: `host`, or `[host]:port` where the port is not 22
  std::string type;          ///< "ssh-ed25519", ...
  std::string base64;        ///< the public key
  std::string fingerprint;   ///< "SHA256:..."
};

struct KnownHostsFile {
  std::string path;
  std::string text;
};

enum class HostKeyVerdict {
  ok,       ///< one of the keys that are known for this host
  unknown,  ///< nothing is known about this host
  changed,  ///< other keys are known for it
  revoked   ///< the key is marked @revoked: nobody may use it
};

struct HostKeyJudgement {
  HostKeyVerdict verdict = HostKeyVerdict::unknown;
  std::string file;                ///< where the line stands that decided; empty: unknown
  int line = 0;                    ///< 1-based
  std::string known_fingerprint;   ///< changed: of the key in that line
  std::vector<std::string> notes;  ///< what was left out (@cert-authority), one printable sentence each

  /// "FILE:LINE", printable.
  std::string place() const;
};

/// `host` or `[host]:port`, in lower case.
std::string known_hosts_name(std::string_view host, unsigned port);

/// "SHA256:...", as ssh-keygen(1) shows it; empty when the text is not base64.
std::string fingerprint(std::string_view base64);

/// A revoked key is refused whatever else the files say, and any of the host's keys makes it known.
HostKeyJudgement judge(const std::vector<KnownHostsFile>& files, const HostKey& key);

/// The types of the keys that are known for a host, without repetition, in the order of the files.
std::vector<std::string> known_key_types(const std::vector<KnownHostsFile>& files,
                                         const std::string& host_pattern);

/// Reads the files that exist. Throws PeerError, permanent, when one cannot be read: it could say "revoked".
std::vector<KnownHostsFile> read_known_hosts(const std::vector<std::string>& paths);

/// Makes the file, empty (0600), and its directory (0700), where they are missing. Throws as
/// append_known_host.
void make_known_hosts(const std::string& path);

/// Appends the key's line, durably; makes the file (0600) and its directory (0700) when they are missing.
/// Throws PeerError, permanent; never follows a symbolic link in the last component.
void append_known_host(const std::string& path, const HostKey& key);

}  // namespace peerstage::peers::ssh
