#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::test {

/// A real OpenSSH server on a free port of the loopback network, with keys of its own and one client key that
/// it accepts. Listens when the constructor returns, and is gone with its children when the object is. Works
/// as root (logs in as root) and as anybody else (logs in as oneself).
class Sshd {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::vector<std::string> host_key_types{"ed25519"};  ///< as ssh-keygen -t has them
    std::string sftp = "internal-sftp";                  ///< empty: no subsystem
    std::vector<std::string> extra;                      ///< lines for its configuration, first
  };

  Sshd();
  explicit Sshd(const Options& options);
  ~Sshd();
  Sshd(const Sshd&) = delete;
  Sshd& operator=(const Sshd&) = delete;

  /// Whether there is a server to start on this machine; a test without one has to say so and skip.
  static bool available();

  const std::string& address() const { return options_.address; }
  std::uint16_t port() const { return port_; }
  const std::string& user() const { return user_; }  ///< who can log in
  std::filesystem::path directory() const { return directory_.path(); }
  std::filesystem::path client_key() const { return directory() / "client_key"; }
  std::filesystem::path host_key(const std::string& type) const { return directory() / ("host_" + type); }
  std::filesystem::path authorized_keys() const { return directory() / "authorized_keys"; }
  /// Holds the server's keys under [address]:port.
  std::filesystem::path known_hosts() const { return directory() / "known_hosts"; }
  std::string log() const;

  /// Waits until the log holds the text; false when it does not come.
  bool log_shows(const std::string& text) const;
  /// The line of the server's key for a known_hosts file.
  std::string known_hosts_line(const std::string& type) const;
  /// Kills the server and all that it has started, as a crash would.
  void kill();
  /// Stops or continues all that the server has started: silence in the middle.
  void signal_children(int signal) const;

 private:
  void write_configuration() const;
  void start();

  Options options_;
  TemporaryDirectory directory_;
  std::string user_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// An ssh-agent(1) with one key.
class Agent {
 public:
  Agent(const std::filesystem::path& socket, const std::filesystem::path& key);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

 private:
  pid_t pid_ = -1;
};

/// ssh-keygen -t TYPE -N PASSPHRASE -f FILE.
void make_key(const std::filesystem::path& file, const std::string& type, const std::string& passphrase = "");

}  // namespace peerstage::test
