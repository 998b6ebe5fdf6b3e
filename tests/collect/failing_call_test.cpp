#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/collect/collect_fixture.h"
#include "tests/support/nth_call_fails.h"
#include "tests/support/text_file.h"

/// Lets each single system call of a collect fail, and looks at what is left: a marker stands beside what its
/// manifest says or not at all; a collect that says that it is whole is whole; and one more takes all that is
/// not staged.
namespace peerstage::peers::collect {
namespace {

namespace fs = std::filesystem;
using test::Failing;
using Files = std::map<std::string, std::string>;

const std::set<std::uint64_t> calls_about_files = {
    SYS_openat,          SYS_openat2,   SYS_read,       SYS_pread64,    SYS_write,     SYS_pwrite64,
    SYS_lseek,           SYS_close,     SYS_fstat,      SYS_newfstatat, SYS_statx,     SYS_getdents64,
    SYS_fcntl,           SYS_fsync,     SYS_fchown,     SYS_fchmod,     SYS_linkat,    SYS_unlinkat,
    SYS_fsetxattr,       SYS_fgetxattr, SYS_flistxattr, SYS_renameat,   SYS_renameat2, SYS_readlinkat,
    SYS_sync_file_range, SYS_ftruncate, SYS_faccessat,  SYS_fadvise64};

/// How a collect in a process of its own ended.
enum class End { undisturbed, whole, incomplete, unmarked, otherwise };

class FailingCollect : public CollectTest {
 protected:
  /// The first day is collected and staged; "changed" is not, since, and neither is the weekly archive of
  /// "w".
  void second_day() {
    for (const char* name : {"data", "collect", "working"}) {
      fs::remove_all(directory_.path() / name);
      fs::create_directory(directory_.path() / name);
    }
    plan_.items.clear();
    ahead_ = std::chrono::hours(0);
    write("d/same", "same");
    write("d/changed", "old");
    fs::create_symlink("same", data("d/link"));
    write("f", "content");
    add("d", config::CollectMode::incremental);
    add("f").type = config::CollectItem::Type::file;
    collect_whole();
    stage();
    next_day();
    write("w/a", "of the week");
    add("w", config::CollectMode::weekly);
    options_.is_starting_day = true;
    collect_whole();
    options_.is_starting_day = false;
    next_day();
    write("d/changed", "new content");
  }

  static End end_of(const CollectReport& report, bool happened) {
    const bool is_whole = std::ranges::all_of(
        report.items, [](const ItemReport& item) { return item.failure.empty() && item.warnings.empty(); });
    if (report.marked) return !happened ? End::undisturbed : is_whole ? End::whole : End::incomplete;
    return report.error.value_or("").empty() && is_whole ? End::otherwise : End::unmarked;
  }

  End collect_with(unsigned n, int error_number, Failing failing) {
    const pid_t child = ::fork();
    if (child == 0) {
      End end = End::otherwise;
      try {
        const test::NthCallFails rule(calls_about_files, n, error_number, failing);
        const CollectReport report = collect();
        end = end_of(report, rule.happened());
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(static_cast<int>(end));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? static_cast<End>(WEXITSTATUS(status)) : End::otherwise;
  }

  void expect_all_that_is_not_staged() const {
    const std::string archive = archive_of("d");
    EXPECT_EQ(files_of(archive)["d/changed"], "new content");
    EXPECT_EQ(files_of(archive_of("f")), (Files{{"f", "content"}}));
    EXPECT_NE(test::read_text(in_collect("cback.sha256")).find("  " + archive_of("w")), std::string::npos);
  }

  void sweep(int error_number, Failing failing) {
    unsigned n = 1, unmarked = 0;
    for (;; ++n) {
      SCOPED_TRACE("at call " + std::to_string(n));
      second_day();
      const End end = collect_with(n, error_number, failing);
      ASSERT_NE(end, End::otherwise);
      if (stands("cback.collect")) {
        ASSERT_EQ(manifest_check(plan_.collect_dir), "");
      } else {
        ASSERT_EQ(end, End::unmarked);
      }
      ASSERT_EQ(files_of(archive_of("w")), (Files{{"w/a", "of the week"}}));
      if (end == End::undisturbed) expect_all_that_is_not_staged();
      if (end == End::undisturbed) break;
      unmarked += end == End::unmarked;
      collect_whole();
      ASSERT_EQ(manifest_check(plan_.collect_dir), "");
      expect_all_that_is_not_staged();
      for (const auto& entry : fs::directory_iterator(plan_.collect_dir))
        ASSERT_FALSE(entry.path().filename().string().starts_with(".cback.archive-")) << entry.path();
      ASSERT_FALSE(HasFailure());
    }
    EXPECT_GT(n, 80U) << "the calls were not seen";
    EXPECT_GT(unmarked, 20U) << "the failures did not come";
  }
};

TEST_F(FailingCollect, AtAnyCallThatFailsOnceSaysSoAndMarksNothingThatIsNotThere) {
  sweep(EIO, Failing::once);
}

TEST_F(FailingCollect, AtAnyCallFromWhichOnAllFailSaysSoAndMarksNothingThatIsNotThere) {
  sweep(ENOSPC, Failing::from_then_on);
}

}  // namespace
}  // namespace peerstage::peers::collect
