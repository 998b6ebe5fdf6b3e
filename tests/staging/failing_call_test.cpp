#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "staging_fixture.h"
#include "tests/support/failing_system_call.h"
#include "tests/support/nth_call_fails.h"

/// Lets each single system call fail, and looks at what is left: the day is absent, old or new, never
/// anything between; staging says that it failed, or did its work; and one more run brings about what an
/// undisturbed one would have.
namespace peerstage::peers::staging {
namespace {

using test::Failing;

const std::set<std::uint64_t> calls_about_files = {
    SYS_openat,    SYS_openat2,    SYS_read,      SYS_pread64,    SYS_write,    SYS_lseek,
    SYS_close,     SYS_newfstatat, SYS_statx,     SYS_getdents64, SYS_fcntl,    SYS_fstatfs,
    SYS_fsync,     SYS_syncfs,     SYS_fchown,    SYS_fchmod,     SYS_mkdirat,  SYS_linkat,
    SYS_unlinkat,  SYS_fsetxattr,  SYS_fgetxattr, SYS_renameat2,  SYS_renameat, SYS_sync_file_range,
    SYS_fadvise64, SYS_fdatasync};

/// How a run in a process of its own ended.
enum class End { undisturbed, in_spite_of_it, with_a_sentence, otherwise };

class FailingCall : public StagingFixture {
 protected:
  static End in_child(const std::function<End()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      End end = End::otherwise;
      try {
        end = work();
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(static_cast<int>(end));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? static_cast<End>(WEXITSTATUS(status)) : End::otherwise;
  }

  End stage_with(unsigned n, int error_number, Failing failing) {
    return in_child([&] {
      const test::NthCallFails rule(calls_about_files, n, error_number, failing);
      return stage_and_tell(rule);
    });
  }

  End stage_and_tell(const test::NthCallFails& rule) {
    try {
      stage();
      return rule.happened() ? End::in_spite_of_it : End::undisturbed;
    } catch (const PeerError& error) {
      return std::string(error.what()).empty() ? End::otherwise : End::with_a_sentence;
    }
  }

  /// `prepare` makes the state before each run.
  void sweep(const std::function<void()>& prepare, int error_number, Failing failing) {
    prepare();
    const Tree before = tree_of(peer_day());
    stage();
    const Tree after = tree_of(peer_day()), day_after = tree_of(day());
    ASSERT_NE(before, after);
    unsigned n = 1, sentences = 0;
    for (;; ++n) {
      SCOPED_TRACE("at call " + std::to_string(n));
      prepare();
      const End end = stage_with(n, error_number, failing);
      ASSERT_NE(end, End::otherwise);
      const Tree left = tree_of(peer_day());
      if (end == End::with_a_sentence) {
        ++sentences;
        ASSERT_TRUE(left == before || left == after) << ::testing::PrintToString(left);
      } else {
        ASSERT_EQ(left, after);
      }
      if (end == End::undisturbed) break;
      stage();
      ASSERT_EQ(tree_of(day()), day_after);
      ASSERT_EQ(tree_of(staging_dir + "/.peerstage"), (Tree{{".lock", "600 "}}));
    }
    EXPECT_GT(n, 40U) << "the calls were not seen";
    EXPECT_GT(sentences, 20U) << "the failures did not come";
  }

  void nothing_yet() {
    std::filesystem::remove_all(staging_dir);
    peer.entries.clear();
    peer.add_directory("/collect");
    peer.add_file("/collect/cback.collect", "");
    peer.add_file("/collect/a", std::string(3000, 'a'));
    peer.add_directory("/collect/sub");
    peer.add_file("/collect/sub/b", "secret", 0600);
  }

  void first_day() {
    std::filesystem::remove_all(staging_dir);
    peer.entries.clear();
    peer.add_directory("/collect");
    peer.add_file("/collect/kept", "kept");
    peer.add_directory("/collect/sub");
    peer.add_file("/collect/sub/changed", "old");
    stage();
    write_file(day() + "/cback.store", "");
    write_file(peer_day() + "/foreign", "of another program");
    peer.change("/collect/sub/changed", "new content");
    peer.add_file("/collect/new", "new");
  }
};

TEST_F(FailingCall, that_fails_once_in_a_first_run_leaves_nothing_or_all_and_is_told_or_does_not_matter) {
  sweep([this] { nothing_yet(); }, EIO, Failing::once);
}

TEST_F(FailingCall, from_which_on_all_fail_in_a_first_run_leaves_nothing_or_all_and_is_told) {
  sweep([this] { nothing_yet(); }, ENOSPC, Failing::from_then_on);
}

TEST_F(FailingCall,
       that_fails_once_in_a_rerun_leaves_the_old_day_or_the_new_one_and_is_told_or_does_not_matter) {
  sweep([this] { first_day(); }, EIO, Failing::once);
}

TEST_F(FailingCall, from_which_on_all_fail_in_a_rerun_leaves_the_old_day_or_the_new_one_and_is_told) {
  sweep([this] { first_day(); }, EPERM, Failing::from_then_on);
}

struct PoorFileSystem {
  const char* name;
  std::map<long, int> errors;  ///< of its system calls
};

class StageOnPoorFileSystem : public FailingCall, public ::testing::WithParamInterface<PoorFileSystem> {};

TEST_P(StageOnPoorFileSystem, publishes_a_first_day_and_replaces_it) {
  first_day();
  stage();
  const Tree after = tree_of(day());
  first_day();
  const auto stage_there = [this] {
    for (const auto& [call, error] : GetParam().errors) test::fail_system_call(call, error);
    stage();
    return End::undisturbed;
  };
  EXPECT_EQ(in_child(stage_there), End::undisturbed);
  EXPECT_EQ(tree_of(day()), after);
  EXPECT_EQ(tree_of(staging_dir + "/.peerstage"), (Tree{{".lock", "600 "}}));

  const Tree first = [&] {
    std::filesystem::remove_all(staging_dir);
    stage();
    return tree_of(day());
  }();
  std::filesystem::remove_all(staging_dir);
  EXPECT_EQ(in_child(stage_there), End::undisturbed);
  EXPECT_EQ(tree_of(day()), first);
}

TEST_P(StageOnPoorFileSystem, renames_onto_nothing_that_is_there) {
  for (const bool is_directory : {false, true}) {
    const std::string name = is_directory ? "directory" : "file";
    const std::string from = temporary / ("from-" + name), to = temporary / ("to-" + name);
    if (is_directory) {
      std::filesystem::create_directory(from);
      std::filesystem::create_directory(to);
    } else {
      write_file(from, "new");
      write_file(to, "precious");
    }
    const Tree before = tree_of(temporary.path().string());
    EXPECT_EQ(in_child([&] {
                for (const auto& [call, error] : GetParam().errors) test::fail_system_call(call, error);
                const Directory directory = Directory::open(temporary.path().string());
                try {
                  rename_new({directory, "from-" + name}, {directory, "to-" + name});
                  return End::undisturbed;
                } catch (const PeerError&) {
                  return End::with_a_sentence;
                }
              }),
              End::with_a_sentence)
        << name;
    EXPECT_EQ(tree_of(temporary.path().string()), before);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, StageOnPoorFileSystem,
    ::testing::Values(PoorFileSystem{"without_hard_links", {{SYS_linkat, EPERM}}},
                      PoorFileSystem{"without_flags_of_rename", {{SYS_renameat2, EINVAL}}},
                      PoorFileSystem{"with_neither", {{SYS_linkat, EPERM}, {SYS_renameat2, EINVAL}}},
                      PoorFileSystem{"without_attributes",
                                     {{SYS_fsetxattr, EOPNOTSUPP}, {SYS_fgetxattr, EOPNOTSUPP}}},
                      PoorFileSystem{"without_early_write_back", {{SYS_sync_file_range, ESPIPE}}}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace peerstage::peers::staging
