#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sched.h>

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "staging_fixture.h"
#include "tests/support/failing_system_call.h"
#include "tests/support/in_child.h"
#include "tests/support/system_call_trap.h"

/// Dies before each single system call that changes something, and looks at what is left: the day is absent,
/// old or new, never anything between; and one more run brings about what an undisturbed one would have.
namespace peerstage::peers::staging {
namespace {

using test::in_child;
using test::TrapResult;

const std::set<std::uint64_t> changing_calls = {
    SYS_openat, SYS_openat2,  SYS_write,     SYS_pwrite64,  SYS_fsync,
    SYS_syncfs, SYS_close,    SYS_fchown,    SYS_fchmod,    SYS_mkdirat,
    SYS_linkat, SYS_unlinkat, SYS_fsetxattr, SYS_renameat2, SYS_sync_file_range};

bool is_private(const std::string& name) {
  return name.starts_with("cback.peerstage");
}

/// What other tools see of the day.
Tree visible(const std::string& day) {
  Tree tree = tree_of(day);
  std::erase_if(tree, [](const auto& entry) { return is_private(entry.first); });
  return tree;
}

class Crash : public StagingFixture {
 protected:
  /// Nobody else may read a beginning of the secret, wherever it lies.
  void expect_secret_is_kept() const {
    for (const auto& [path, description] : tree_of(staging_dir)) {
      if (description.find("secret") != std::string::npos && !path.ends_with("cback.sha256")) {
        EXPECT_TRUE(description.starts_with("600 ")) << path << ": " << description;
      }
    }
  }

  /// Kills the run at each call in turn, until one survives. `prepare` makes the state before each.
  void sweep(const std::function<void()>& prepare, const Tree& before, const Tree& after) {
    unsigned n = 1;
    for (;; ++n) {
      prepare();
      const TrapResult result = test::kill_at_system_call(changing_calls, n, [this] { stage(); });
      if (result == TrapResult::impossible) GTEST_SKIP() << "ptrace is not allowed here";
      ASSERT_NE(result, TrapResult::failed) << "at call " << n;
      const Tree left = visible(day());
      ASSERT_TRUE(left == before || left == after)
          << "at call " << n << ": " << ::testing::PrintToString(left);
      expect_secret_is_kept();
      if (result == TrapResult::ran_to_its_end) break;
      stage();
      ASSERT_EQ(tree_of(day()), after) << "after call " << n;
      ASSERT_EQ(tree_of(staging_dir + "/.peerstage"), (Tree{{".lock", "600 "}})) << "after call " << n;
    }
    EXPECT_GT(n, 40U) << "the trap did not see the calls";
  }

  void remove_staging() { std::filesystem::remove_all(staging_dir); }
};

TEST_F(Crash, at_any_call_of_a_first_run_leaves_nothing_or_all) {
  peer.add_file("/collect/cback.collect", "");
  peer.add_file("/collect/a", std::string(3000, 'a'));
  peer.add_directory("/collect/sub");
  peer.add_file("/collect/sub/b", "secret", 0600);
  stage();
  const Tree after = tree_of(day());
  sweep([this] { remove_staging(); }, {}, after);
}

TEST_F(Crash, at_any_call_of_a_rerun_leaves_the_old_day_or_the_new_one) {
  const auto first_day = [this] {
    remove_staging();
    peer.entries.clear();
    peer.add_directory("/collect");
    peer.add_file("/collect/gone", "gone");
    peer.add_file("/collect/kept", "kept");
    peer.add_directory("/collect/sub");
    peer.add_file("/collect/sub/changed", "old");
    stage();
    peer.entries.erase("/collect/gone");
    peer.change("/collect/sub/changed", "new content");
    peer.add_file("/collect/new", "new");
  };
  first_day();
  const Tree before = tree_of(day());
  stage();
  const Tree after = tree_of(day());
  ASSERT_NE(before, after);
  sweep(first_day, before, after);
}

/// A disk that fails at one system call, in a process of its own.
class FailingDisk : public StagingFixture {
 protected:
  std::size_t spooled_files() const {
    const Tree tree = tree_of(spool());
    return static_cast<std::size_t>(
        std::ranges::count_if(tree, [](const auto& entry) { return entry.first.size() == 32; }));
  }
};

TEST_F(FailingDisk, that_has_no_room_at_a_sync_leaves_nothing_that_a_second_sync_would_confirm) {
  peer.add_file("/collect/a", "alpha");
  peer.before_fetch = [](FakeConnection&) { test::fail_system_call(SYS_fsync, ENOSPC); };
  EXPECT_TRUE(in_child([this] { return failure().message.find("cannot sync") != std::string::npos; }));
  EXPECT_EQ(spooled_files(), 0U);
  EXPECT_FALSE(exists(peer_day()));
}

TEST_F(FailingDisk, that_cannot_read_the_beginning_of_a_file_again_gets_it_once_more) {
  peer.add_file("/collect/a", std::string(300'000, 'a'));
  peer.breaks_after = 200'000;
  failure();
  ASSERT_EQ(spooled_files(), 1U);
  peer.breaks_after.reset();
  peer.before_fetch = [](FakeConnection&) { test::fail_system_call(SYS_pread64, EIO); };
  EXPECT_TRUE(in_child([this] {
    stage();
    return true;
  }));
  EXPECT_EQ(read_text(peer_day() + "/a"), std::string(300'000, 'a'));
}

/// A small file system of our own, in a mount namespace of our own.
class FullDisk : public StagingFixture {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(staging_dir);
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "needs root to mount a small file system";
    }
  }
  void TearDown() override { ::umount2(staging_dir.c_str(), MNT_DETACH); }

  void mount(const char* limits) { ASSERT_EQ(::mount("tmpfs", staging_dir.c_str(), "tmpfs", 0, limits), 0); }
};

TEST_F(FullDisk, is_found_before_anything_is_fetched) {
  mount("size=1m");
  peer.add_file("/collect/big", std::string(2U << 20U, 'x'));
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, ::testing::HasSubstr("disk full"));
  EXPECT_TRUE(peer.fetched.empty());
  EXPECT_FALSE(exists(spool()));
}

TEST_F(FullDisk, midway_is_a_clear_error_and_no_day) {
  mount("size=1m");
  peer.add_file("/collect/big", std::string(600U << 10U, 'x'));
  peer.before_fetch = [this](FakeConnection&) {
    write_file(staging_dir + "/other", std::string(600U << 10U, 'y'));
  };
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, ::testing::HasSubstr("No space left"));
  EXPECT_FALSE(exists(day()));

  std::filesystem::remove(staging_dir + "/other");
  peer.before_fetch = nullptr;
  stage();
  EXPECT_EQ(read_text(peer_day() + "/big"), std::string(600U << 10U, 'x'));
}

TEST_F(FullDisk, is_not_kept_full_by_an_unfinished_transfer) {
  mount("size=4m");
  options.minimum_free = config::ByteCount{1U << 20U};
  peer.add_file("/collect/big", std::string(600U << 10U, 'x'));
  peer.breaks_after = 500'000;
  peer.before_fetch = [this](FakeConnection&) {
    write_file(staging_dir + "/other", std::string(3U << 20U, 'y'));
  };
  EXPECT_EQ(failure().kind, FailureKind::transient);
  EXPECT_FALSE(exists(spool()));
}

TEST_F(FullDisk, of_inodes_is_found_before_anything_is_fetched) {
  mount("nr_inodes=20");
  for (int i = 0; i < 30; ++i) peer.add_file("/collect/" + std::to_string(i), "x");
  EXPECT_THAT(failure().message, ::testing::HasSubstr("inodes"));
  EXPECT_TRUE(peer.fetched.empty());
}

TEST_F(FullDisk, at_any_number_of_inodes_gives_a_whole_day_or_none) {
  for (int i = 0; i < 5; ++i) peer.add_file("/collect/" + std::to_string(i), "x");
  peer.add_directory("/collect/sub");
  bool fitted = false;
  for (int inodes = 8; inodes < 40 && !fitted; ++inodes) {
    mount(("nr_inodes=" + std::to_string(inodes)).c_str());
    try {
      stage();
      fitted = true;
      EXPECT_EQ(tree_of(peer_day()).size(), 7U);
    } catch (const PeerError& error) {
      EXPECT_FALSE(exists(day())) << inodes << error.what();
    }
    ASSERT_EQ(::umount2(staging_dir.c_str(), MNT_DETACH), 0);
  }
  EXPECT_TRUE(fitted);
}

}  // namespace
}  // namespace peerstage::peers::staging
