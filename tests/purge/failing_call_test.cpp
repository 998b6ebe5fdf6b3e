#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "purge_fixture.h"
#include "tests/support/nth_call_fails.h"

/// Lets each single system call of a purge fail: nothing goes that has to stay, whoever is told of no failure
/// finds all gone that had to go, and one more purge removes the rest.
namespace peerstage::peers::purge {
namespace {

using test::Failing;
using Names = std::set<std::string>;

const std::set<std::uint64_t> calls_about_files = {SYS_openat, SYS_openat2,    SYS_read,  SYS_lseek,
                                                   SYS_close,  SYS_newfstatat, SYS_statx, SYS_getdents64,
                                                   SYS_fcntl,  SYS_unlinkat,   SYS_fstat, SYS_fstatfs};

enum class End { undisturbed, in_spite_of_it, with_a_sentence, otherwise };

class FailingPurge : public PurgeTest {
 protected:
  FailingPurge() { options.collect_dirs = {top + "/staged", top + "/unstaged"}; }

  /// The kernel's clock for files has ticks.
  void later(const std::string& name) const {
    const auto changed = [](const std::string& path) {
      struct stat status {};
      EXPECT_EQ(::stat(path.c_str(), &status), 0);
      return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    };
    const auto before = changed(temporary.write("probe", ""));
    while (changed(temporary.write("top/" + name, "data")) == before) {
    }
  }

  void prepare() const {
    fs::remove_all(top);
    fs::create_directory(top);
    file("old", 8 * day);
    file("below/old", 8 * day);
    file("below/young", 1 * day);
    file("emptied/old", 8 * day);
    for (const char* name : {"staged/data", "staged/cback.sha256", "staged/cback.collect",
                             "staged/cback.stage", "unstaged/data", "unstaged/cback.collect"})
      later(name);
  }

  /// Besides of what is kept in any case.
  bool tells_of_failure(const PurgeReport& report) const {
    return std::ranges::any_of(report.directories,
                               [](const DirectoryReport& each) { return !each.failures.empty(); }) ||
           std::ranges::any_of(observer.warnings, [](const std::string& text) {
             return text.find("/unstaged ") == std::string::npos;
           });
  }

  End purge_with(unsigned n, int error_number, Failing failing) {
    const pid_t child = ::fork();
    if (child == 0) {
      End end = End::otherwise;
      try {
        const test::NthCallFails rule(calls_about_files, n, error_number, failing);
        const PurgeReport report = run(7);
        const bool is_told = tells_of_failure(report);
        end = !rule.happened() ? End::undisturbed : is_told ? End::with_a_sentence : End::in_spite_of_it;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(static_cast<int>(end));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? static_cast<End>(WEXITSTATUS(status)) : End::otherwise;
  }

  void sweep(int error_number, Failing failing) {
    const Names stays = {"below",    "below/young",   "staged",
                         "unstaged", "unstaged/data", "unstaged/cback.collect"};
    unsigned n = 1, sentences = 0;
    for (;; ++n) {
      SCOPED_TRACE("at call " + std::to_string(n));
      prepare();
      const End end = purge_with(n, error_number, failing);
      ASSERT_NE(end, End::otherwise);
      const Names left = tree();
      ASSERT_TRUE(std::ranges::includes(left, stays)) << ::testing::PrintToString(left);
      ASSERT_TRUE(!left.contains("staged/data") || left.contains("staged/cback.stage"));
      ASSERT_TRUE(!left.contains("staged/cback.sha256") || left.contains("staged/data"));
      if (end == End::with_a_sentence) {
        ++sentences;
      } else {
        ASSERT_EQ(left, stays);
      }
      if (end == End::undisturbed) break;
      run(7);
      ASSERT_EQ(tree(), stays);
    }
    EXPECT_GT(n, 40U) << "the calls were not seen";
    EXPECT_GT(sentences, 20U) << "the failures did not come";
  }
};

TEST_F(FailingPurge, that_cannot_open_a_collect_directory_removes_nothing_and_says_so) {
  prepare();
  options.collect_dirs = {top + "/unstaged"};
  const Names before = tree();
  const pid_t child = ::fork();
  if (child == 0) {
    const test::NthCallFails rule({SYS_openat}, 1, EIO, Failing::once);
    const auto failures = run(7).directories.at(0).failures;
    ::_exit(failures.size() == 1 &&
                    failures[0].find(top + "/unstaged: Input/output error") != std::string::npos
                ? 0
                : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(tree(), before);
}

TEST_F(FailingPurge, at_any_call_that_fails_once_keeps_what_has_to_stay_and_tells_what_stays_besides) {
  sweep(EIO, Failing::once);
}

TEST_F(FailingPurge, at_any_call_from_which_on_all_fail_keeps_what_has_to_stay_and_tells_what_stays_besides) {
  sweep(EMFILE, Failing::from_then_on);
}

}  // namespace
}  // namespace peerstage::peers::purge
