#pragma once

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "peers/ssh/ssh_connection.h"
#include "tests/support/sshd.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::ssh {

/// Logs in to real servers, with a home directory of the test's own.
class SshFixture : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::Sshd::available())
      GTEST_SKIP() << "SKIPPED LOUDLY: there is no /usr/sbin/sshd on this machine";
    ::unsetenv("SSH_AUTH_SOCK");
  }

  /// Settings that open the door of a server.
  config::SshSettings settings_for(const test::Sshd& sshd) const {
    config::SshSettings settings;
    settings.host = sshd.address();
    settings.port = config::Port{sshd.port()};
    settings.user = sshd.user();
    settings.identity_files = {sshd.client_key()};
    settings.known_hosts = {sshd.known_hosts()};
    settings.global_known_hosts = {"none"};
    settings.config_file = "none";
    settings.connect_timeout = std::chrono::seconds(5);
    settings.idle_timeout = std::chrono::seconds(5);
    return settings;
  }

  SshConnection connection(const config::SshSettings& settings) const {
    return SshConnection("web1", settings, user_);
  }

  /// The failure of a login.
  Failure failure_of(const config::SshSettings& settings) const {
    try {
      connection(settings).lstat("/");
    } catch (const PeerError& error) {
      return error.failure();
    }
    return {FailureKind::cancelled, "no failure"};
  }

  test::TemporaryDirectory home_;
  LocalUser user_{"tester", home_.path().string()};
};

inline Command words(std::vector<std::string> argv) {
  Command command;
  command.argv = std::move(argv);
  return command;
}

inline Command line(const std::string& text) {
  Command command;
  command.shell_line = text;
  return command;
}

}  // namespace peerstage::peers::ssh
