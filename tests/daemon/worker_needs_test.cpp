#include "daemon/worker_needs.h"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/options.h"
#include "tests/support/in_child.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::daemon {
namespace {

const peers::ssh::HostKey host_key{
    "web1", "ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIPoXdT3mU4yAVtZQOd7q3vHWCzG1WQJk5s0yQ4mJ3b6F", ""};
const std::string known_host = host_key.host_pattern + " " + host_key.type + " " + host_key.base64 + "\n";

/// A worker that learns host keys, of a user with a home of his own.
class WorkerNeeds : public testing::Test {
 protected:
  WorkerNeeds() {
    settings_.host = "web1";
    settings_.host_key_policy = config::HostKeyPolicy::accept_new;
    if (landlock_version() < first_landlock_version_with_truncating)
      skipped_ = "this kernel's Landlock is too old";
  }
  void SetUp() override {
    if (!skipped_.empty()) GTEST_SKIP() << skipped_;
  }

  /// Asked in a process that has confined itself.
  bool when_confined(const std::function<bool()>& check) {
    const pid_t parent = ::getpid();
    return test::in_child([&] {
      Confinement confinement;
      confinement.supervisor = parent;
      confinement.network = Network::allowed;
      confinement.needs = [&] {
        Needs needs;
        need_machine(needs, settings_, user_);
        return needs;
      };
      confine(confinement);
      return check();
    });
  }

  std::string known_hosts() const { return home_ / ".ssh/known_hosts"; }

  /// What append_known_host says; empty: it did it.
  std::string failure_of_append() const {
    try {
      peers::ssh::append_known_host(known_hosts(), host_key);
    } catch (const peers::PeerError& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return error.what();
    }
    return "";
  }

  test::TemporaryDirectory home_;
  peers::ssh::LocalUser user_{"backup", home_.path().string()};
  config::SshSettings settings_;
  std::string skipped_;
};

bool may_write(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) >= 0;
}

TEST_F(WorkerNeeds, LearnAHostKeyWhereThereIsNoDirectoryYet) {
  EXPECT_TRUE(when_confined([&] { return failure_of_append().empty(); }));
  EXPECT_EQ(test::read_text(known_hosts()), known_host);
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(known_hosts()).permissions(), fs::perms(0600));
  EXPECT_EQ(fs::status(home_ / ".ssh").permissions(), fs::perms(0700));
}

TEST_F(WorkerNeeds, LearnAHostKeyAndWriteNothingBesideIt) {
  const std::string keys = home_.write(".ssh/authorized_keys", "");
  EXPECT_TRUE(when_confined(
      [&] { return failure_of_append().empty() && !may_write(keys) && !may_write(home_ / ".ssh/rc"); }));
  EXPECT_EQ(test::read_text(known_hosts()), known_host);
}

TEST_F(WorkerNeeds, TakeHalfAHostKeyBack) {
  const std::string before = "db1 ssh-ed25519 AAAA\n";
  home_.write(".ssh/known_hosts", before);
  EXPECT_TRUE(when_confined([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{before.size() + 30, before.size() + 30};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 && !failure_of_append().empty();
  }));
  EXPECT_EQ(test::read_text(known_hosts()), before);
}

TEST_F(WorkerNeeds, MakeNoKnownHostsWhereNothingIsLearnt) {
  settings_.host_key_policy = config::HostKeyPolicy::strict;
  EXPECT_TRUE(when_confined([] { return true; }));
  settings_.host_key_policy = config::HostKeyPolicy::accept_new;
  user_.new_host_keys = peers::ssh::NewHostKeys::forgotten;
  EXPECT_TRUE(when_confined([] { return true; }));
  EXPECT_FALSE(std::filesystem::exists(home_ / ".ssh"));
}

TEST_F(WorkerNeeds, ReadTheSameConfigurationWhenConfined) {
  const test::TemporaryDirectory elsewhere;
  elsewhere.write("first/web.conf", "Host web1\nPort 2222\n");
  elsewhere.write("each/one/user.conf", "Host web1\nUser joe\n");
  home_.write(".ssh/config",
              "Include " + elsewhere / "first/*.conf" + "\nInclude " + elsewhere / "ea*/*/user.conf" + "\n");
  EXPECT_TRUE(when_confined([&] {
    const auto options = peers::ssh::resolve_options(settings_, user_);
    return options.port == config::Port{2222} && options.user == "joe";
  }));
}

}  // namespace
}  // namespace peerstage::daemon
