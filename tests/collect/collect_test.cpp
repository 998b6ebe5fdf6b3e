#include "peers/collect/collect.h"

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "peers/collect/digest.h"
#include "peers/collect/tree.h"
#include "tests/collect/collect_fixture.h"
#include "tests/support/shell.h"
#include "tests/support/system_call_trap.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::collect {
namespace {

namespace fs = std::filesystem;
using config::CollectMode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Files = std::map<std::string, std::string>;
using Status = ItemReport::Status;

TEST_F(CollectTest, WritesAnArchiveThenTheManifestThenTheMarker) {
  write("etc/a", "one");
  add("etc");
  const CollectReport report = collect_whole();
  ASSERT_EQ(report.items.size(), 1U);
  EXPECT_EQ(report.items[0].status, Status::collected);
  EXPECT_THAT(report.items[0].archives, ElementsAre(archive_of("etc")));
  EXPECT_EQ(report.items[0].files, 1U);
  EXPECT_EQ(report.items[0].bytes, 3U);
  EXPECT_EQ(files_of(archive_of("etc")), (Files{{"etc/a", "one"}}));
  EXPECT_EQ(manifest_check(plan_.collect_dir), "");
  EXPECT_TRUE(stands("cback.collect"));
  EXPECT_EQ(fs::file_size(in_collect("cback.collect")), 0U);
}

TEST_F(CollectTest, RefusesAPlanWithoutItemsAndDirectoriesThatAreMissing) {
  EXPECT_THAT(collect().error.value_or(""), HasSubstr("neither a file nor a dir"));
  add("");
  fs::remove(plan_.collect_dir);
  EXPECT_THAT(collect().error.value_or(""), HasSubstr("cannot open the directory"));
  fs::create_directory(plan_.collect_dir);
  fs::remove(plan_.working_dir);
  EXPECT_THAT(collect().error.value_or(""), HasSubstr("cannot open the directory"));
  EXPECT_TRUE(fs::is_empty(plan_.collect_dir));
}

TEST_F(CollectTest, RemovesTheOldMarkersAtTheStart) {
  add("missing");
  for (const char* name : {"cback.collect", "cback.sha256", "cback.stage"})
    test::write_file(in_collect(name), "");
  const CollectReport report = collect();
  EXPECT_EQ(report.items.at(0).status, Status::failed);
  EXPECT_FALSE(report.marked);
  EXPECT_TRUE(fs::is_empty(plan_.collect_dir));
}

TEST_F(CollectTest, LeavesNoMarkerOfAnEarlierCollectWhenItCannotBeDone) {
  write("d/a", "a");
  add("d");
  const auto expect_none_after = [this](const std::function<void()>& obstacle) {
    collect_whole();
    obstacle();
    EXPECT_NE(collect().error, std::nullopt);
    EXPECT_FALSE(stands("cback.collect"));
  };
  expect_none_after([this] { plan_.items.clear(); });
  add("d");
  expect_none_after([this] { fs::remove_all(plan_.working_dir); });
  fs::create_directory(plan_.working_dir);
  // The state cannot be written.
  expect_none_after([this] {
    fs::remove(in_working("peerstage.collect"));
    fs::create_directories(in_working("peerstage.collect") / "below");
  });
}

TEST_F(CollectTest, TakesNoMarkOfAMasterAboutAnothersCollectForOneAboutItsOwn) {
  write("d/a", "a");
  add("d", CollectMode::incremental);
  collect_whole();
  // Nobody stages it. Another program collects, and that is staged.
  test::write_file(in_collect("another's"), "");
  fs::rename(in_collect("another's"), in_collect("cback.collect"));
  stage();
  const auto items = std::exchange(plan_.items, {});
  EXPECT_NE(collect().error, std::nullopt);
  EXPECT_FALSE(stands("cback.collect"));
  plan_.items = items;
  next_day();
  collect_whole();
  EXPECT_EQ(files_of(archive_of("d")), (Files{{"d/a", "a"}}));
}

TEST_F(CollectTest, GoesOnAfterAMissingItemAndWithholdsTheMarker) {
  write("there/a", "a");
  add("missing");
  add("there");
  const CollectReport report = collect();
  EXPECT_EQ(report.error, std::nullopt);
  EXPECT_EQ(report.items.at(0).status, Status::failed);
  EXPECT_THAT(report.items.at(0).failure, HasSubstr("missing"));
  EXPECT_EQ(report.items.at(1).status, Status::collected);
  EXPECT_FALSE(report.marked);
  EXPECT_FALSE(stands("cback.collect"));
  EXPECT_TRUE(stands(archive_of("there")));
}

TEST_F(CollectTest, MarksWithAMissingItemWhenToldTo) {
  write("there/a", "a");
  add("missing");
  add("there");
  plan_.incomplete = config::IncompleteCollect::mark;
  const CollectReport report = collect();
  EXPECT_TRUE(report.marked);
  EXPECT_EQ(report.items.at(0).status, Status::failed);
  EXPECT_EQ(manifest_check(plan_.collect_dir), "");
}

TEST_F(CollectTest, MarksAlthoughAFileCannotBeRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root can read everything";
  write("d/good", "g");
  write("d/bad", "b");
  fs::permissions(data("d/bad"), fs::perms::none);
  for (const CollectMode mode : {CollectMode::daily, CollectMode::incremental}) {
    plan_.items.clear();
    add("d", mode);
    const CollectReport report = collect();
    EXPECT_TRUE(report.marked);
    EXPECT_EQ(report.items.at(0).status, Status::incomplete);
    ASSERT_EQ(report.items.at(0).warnings.size(), 1U);
    EXPECT_THAT(report.items.at(0).warnings[0], HasSubstr("bad"));
    EXPECT_EQ(files_of(archive_of("d")), (Files{{"d/good", "g"}}));
  }
}

TEST_F(CollectTest, CollectsFilesAndLinksAsItems) {
  write("f", "content");
  fs::create_symlink("nowhere", data("l"));
  fs::create_directory(data("d"));
  for (const char* name : {"f", "l", "d"}) add(name).type = config::CollectItem::Type::file;
  const CollectReport report = collect();
  EXPECT_EQ(files_of(archive_of("f")), (Files{{"f", "content"}}));
  EXPECT_THAT(names_of(archive_of("l")), ElementsAre("l"));
  EXPECT_EQ(report.items.at(2).status, Status::failed);
  EXPECT_THAT(report.items.at(2).failure, HasSubstr("dir element"));
}

TEST_F(CollectTest, CollectsWeeklyItemsOnTheirDayOrWhenAllIsAskedFor) {
  write("w/a", "a");
  add("w", CollectMode::weekly);
  EXPECT_EQ(collect_whole().items.at(0).status, Status::not_due);
  EXPECT_FALSE(stands(archive_of("w")));
  options_.is_starting_day = true;
  EXPECT_EQ(collect_whole().items.at(0).status, Status::collected);
  options_.is_starting_day = false;
  options_.full = true;
  EXPECT_EQ(collect_whole().items.at(0).status, Status::collected);
}

TEST_F(CollectTest, KeepsAWeeklyArchiveUntilItIsStaged) {
  write("w/a", "a");
  add("w", CollectMode::weekly);
  options_.is_starting_day = true;
  collect_whole();
  options_.is_starting_day = false;
  for (int day = 0; day < 2; ++day) {
    next_day();
    collect_whole();
    EXPECT_TRUE(stands(archive_of("w")));
    EXPECT_EQ(manifest_check(plan_.collect_dir), "");
    EXPECT_THAT(test::read_text(in_collect("cback.sha256")), HasSubstr(archive_of("w")));
  }
  stage();
  next_day();
  collect_whole();
  EXPECT_FALSE(stands(archive_of("w")));
}

TEST_F(CollectTest, RemovesNoFileOfOthers) {
  write("d/a", "a");
  add("d", CollectMode::weekly);
  test::write_file(in_collect("dump.sql"), "of somebody else");
  test::write_file(in_collect(archive_of("d", ".tar.gz.old")), "x");
  collect_whole();
  stage();
  collect_whole();
  EXPECT_EQ(test::read_text(in_collect("dump.sql")), "of somebody else");
  EXPECT_TRUE(stands(archive_of("d", ".tar.gz.old")));
  EXPECT_EQ(test::read_text(in_collect("cback.sha256")), "") << "it is not vouched for either";
}

TEST_F(CollectTest, RemovesWhatWasStagedWithAnotherEnding) {
  write("d/a", "a");
  add("d");
  collect_whole();
  stage();
  plan_.items[0].archive_mode = config::ArchiveMode::targz;
  collect_whole();
  EXPECT_FALSE(stands(archive_of("d")));
  EXPECT_TRUE(stands(archive_of("d", ".tar.gz")));
}

TEST_F(CollectTest, GivesEachPathAnArchiveThoughTheirNamesAreTheSame) {
  write("a-b/x", "one");
  write("a/b/x", "two");
  add("a-b");
  add("a/b");
  const CollectReport report = collect();
  EXPECT_TRUE(report.marked);
  EXPECT_THAT(report.items.at(1).warnings, ElementsAre(HasSubstr("already")));
  const std::string second = archive_name(data("a-b")) + "-2.tar";
  EXPECT_EQ(files_of(archive_of("a-b")), (Files{{"a-b/x", "one"}}));
  EXPECT_EQ(files_of(second), (Files{{"a/b/x", "two"}}));
}

TEST_F(CollectTest, ArchivesADirectoryWhosePathIsTooLongForAName) {
  // The cut is in the middle of a character.
  const std::size_t before = archive_name(data("r")).size() + 1;
  const std::string same = std::string(199 - before, 'x') + "\u00fc" + std::string(before, 'y');
  write("r/" + same + "/a", "a");
  write("r/" + same + "1/a", "b");
  for (const CollectMode mode : {CollectMode::daily, CollectMode::incremental}) {
    plan_.items.clear();
    add("r", mode).recursion_level = 1;
    const CollectReport report = collect();
    const ItemReport& item = report.items.at(0);
    EXPECT_TRUE(report.marked);
    EXPECT_EQ(item.failure, "");
    EXPECT_THAT(item.warnings, ElementsAre(HasSubstr("too long"), HasSubstr("too long")));
    Files all;
    for (const std::string& archive : item.archives) {
      if (archive == archive_of("r")) continue;
      EXPECT_EQ(archive.substr(0, 200), archive_name(data("r")) + "-" + same.substr(0, 199 - before) + "-");
      EXPECT_EQ(archive.size(), 199U + 1 + 16 + 4);
      all.merge(files_of(archive));
    }
    EXPECT_EQ(all, (Files{{"r/" + same + "/a", "a"}, {"r/" + same + "1/a", "b"}}));
  }
}

TEST_F(CollectTest, GivesNoArchiveANameThatNoMasterTakes) {
  write("r/s\x01\x7fx\xc2\x85y/a", "a");
  add("r").recursion_level = 1;
  collect_whole();
  EXPECT_TRUE(stands(archive_of("r").substr(0, archive_of("r").size() - 4) + "-s__x_y.tar"));
}

TEST_F(CollectTest, MakesArchivesOfSubdirectories) {
  write("r/one/a", "1");
  write("r/two/sub/b", "2");
  write("r/c", "3");
  add("r").recursion_level = 1;
  const CollectReport report = collect_whole();
  EXPECT_THAT(report.items.at(0).archives,
              UnorderedElementsAre(archive_of("r"), archive_of("r/one"), archive_of("r/two")));
  EXPECT_EQ(files_of(archive_of("r")), (Files{{"r/c", "3"}}));
  EXPECT_EQ(files_of(archive_of("r/two")), (Files{{"r/two/sub/b", "2"}}));
}

TEST_F(CollectTest, FollowsNoPartOutOfTheTree) {
  write("secret/s", "secret");
  write("secret/below/s", "secret");
  for (const char* name : {"d/a/below/s", "d/b/below/s", "d/c/below/s"}) write(name, "mine");
  add("d").recursion_level = 2;
  bool is_swapped = false;
  unsigned asked = 0;
  options_.cancelled = [&] {  // for every item, and for every entry
    if (++asked == 2) {
      for (const char* name : {"a", "b", "c"}) {
        fs::rename(data(std::string("d/") + name), data(std::string("moved_") + name));
        fs::create_directory_symlink(data("secret"), data(std::string("d/") + name));
      }
      is_swapped = true;
    }
    return false;
  };
  const CollectReport report = collect();
  EXPECT_TRUE(is_swapped);
  EXPECT_TRUE(report.marked);
  EXPECT_EQ(report.items.at(0).failure, "");
  EXPECT_FALSE(report.items.at(0).archives.empty());
  for (const std::string& archive : report.items.at(0).archives)
    for (const auto& [name, content] : files_of(archive)) EXPECT_NE(content, "secret") << name;
}

TEST_F(CollectTest, RemovesTheStagedArchiveOfASubdirectoryThatIsNoMore) {
  write("r/one/a", "1");
  write("r/c", "3");
  add("r").recursion_level = 1;
  collect_whole();
  fs::remove_all(data("r/one"));
  collect_whole();
  EXPECT_TRUE(stands(archive_of("r/one"))) << "it is not staged yet";
  stage();
  collect_whole();
  EXPECT_FALSE(stands(archive_of("r/one")));
}

TEST_F(CollectTest, LetsOneCollectIn) {
  options_.lock_patience = std::chrono::milliseconds(0);
  add("");
  const int other = ::open(plan_.collect_dir.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  test::write_file(in_collect("cback.collect"), "");
  const CollectReport report = collect();
  EXPECT_TRUE(report.locked);
  EXPECT_THAT(report.error.value_or(""), HasSubstr("another collect"));
  EXPECT_TRUE(stands("cback.collect"));
  ::close(other);
  EXPECT_FALSE(collect().locked);
}

TEST_F(CollectTest, EndsWhenItIsToldTo) {
  write("one/a", "a");
  write("two/a", "a");
  write("two/b", "b");
  add("one");
  add("two");
  int asked = 0;
  options_.cancelled = [&asked] { return ++asked > 5; };
  const CollectReport report = collect();
  EXPECT_TRUE(report.cancelled);
  EXPECT_EQ(report.error, std::nullopt);
  EXPECT_FALSE(report.marked);
  EXPECT_FALSE(stands("cback.collect"));
  EXPECT_TRUE(stands(archive_of("one")));
  EXPECT_FALSE(stands(archive_of("two")));
  EXPECT_EQ(std::distance(fs::directory_iterator(plan_.collect_dir), fs::directory_iterator()), 1);
}

// --- incremental items

class IncrementalTest : public CollectTest {
 protected:
  IncrementalTest() {
    write("d/a", "a1");
    write("d/b", "b1");
    add("d", CollectMode::incremental);
    plan_.content = config::ArchiveContent::cedar;
  }
  std::string archive() const { return archive_of("d"); }
  Files archived() const { return files_of(archive()); }
  /// Collected, staged, and the night is over.
  void back_up() {
    collect_whole();
    stage();
    next_day();
  }
};

TEST_F(IncrementalTest, CollectsWhatIsNew) {
  back_up();
  EXPECT_EQ(archived(), (Files{{"d/a", "a1"}, {"d/b", "b1"}}));
  write("d/b", "b2");
  write("d/c", "c1");
  back_up();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}, {"d/c", "c1"}}));
}

TEST_F(IncrementalTest, WritesNothingWhenNothingIsNewAndRemovesWhatIsStaged) {
  back_up();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
  EXPECT_FALSE(stands(archive()));
  EXPECT_TRUE(stands("cback.collect"));
}

TEST_F(IncrementalTest, CollectsAgainWhatWasNotStaged) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  next_day();  // the master failed
  write("d/c", "c1");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}, {"d/c", "c1"}})) << "it holds what the unstaged one held";
  next_day();
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}, {"d/c", "c1"}}));
}

TEST_F(IncrementalTest, LosesNothingWhenAPurgeRemovedWhatWasNotStaged) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  for (const auto& entry : fs::directory_iterator(plan_.collect_dir)) fs::remove(entry);
  next_day();
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}}));
}

TEST_F(IncrementalTest, KeepsAnUnstagedArchiveWhenTheChangeWasTakenBack) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  next_day();
  write("d/b", "b1");
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}}));
  stage();
  next_day();
  collect_whole();
  EXPECT_FALSE(stands(archive()));
}

TEST_F(IncrementalTest, BelievesAMasterWhoseMarkerOutlivedTheIndicator) {
  collect_whole();
  stage();
  fs::remove(in_collect("cback.collect"));
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

TEST_F(IncrementalTest, RemembersWhatWasStagedBeforeTheMarkersWerePurged) {
  collect_whole();
  note_what_is_staged(plan_, std::nullopt, events_);
  stage();
  note_what_is_staged(plan_, std::nullopt, events_);
  for (const auto& entry : fs::directory_iterator(plan_.collect_dir)) fs::remove(entry);
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

TEST_F(IncrementalTest, KnowsWhatIsStagedAfterACollectThatCouldNotBeDone) {
  back_up();
  const auto items = std::exchange(plan_.items, {});
  EXPECT_NE(collect().error, std::nullopt);
  EXPECT_FALSE(stands("cback.collect"));
  plan_.items = items;
  write("d/b", "b2");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}}));
}

TEST_F(IncrementalTest, NotesNothingThatIsNotStaged) {
  collect_whole();
  note_what_is_staged(plan_, std::nullopt, events_);
  for (const auto& entry : fs::directory_iterator(plan_.collect_dir)) fs::remove(entry);
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::collected);
}

/// Ways in which the markers do not say that the last collect is staged.
TEST_F(IncrementalTest, CollectsAgainWhenInDoubt) {
  const struct {
    const char* why;
    std::function<void()> change;
  } cases[] = {
      {"a marker as old as the indicator",
       [this] {
         fs::last_write_time(in_collect("cback.stage"), fs::last_write_time(in_collect("cback.collect")));
       }},
      {"an older marker",
       [this] {
         fs::last_write_time(in_collect("cback.stage"),
                             fs::last_write_time(in_collect("cback.collect")) - std::chrono::hours(1));
       }},
      {"a marker that is a link",
       [this] {
         fs::rename(in_collect("cback.stage"), in_collect("x"));
         fs::create_symlink("x", in_collect("cback.stage"));
       }},
      {"the indicator of somebody else's collect",
       [this] {
         fs::remove(in_collect("cback.collect"));
         test::write_file(in_collect("cback.collect"), "");
         stage();
       }},
      {"an indicator that was touched",
       [this] {
         fs::last_write_time(in_collect("cback.collect"),
                             fs::last_write_time(in_collect("cback.collect")) - std::chrono::hours(1));
       }},
      {"an indicator that is a directory",
       [this] {
         fs::remove(in_collect("cback.collect"));
         fs::create_directory(in_collect("cback.collect"));
       }},
  };
  for (const auto& each : cases) {
    write("d/b", std::string("changed: ") + each.why);
    collect_whole();
    stage();
    each.change();
    next_day();
    if (fs::is_directory(in_collect("cback.collect"))) {
      EXPECT_THAT(collect().error.value_or(""), HasSubstr("cback.collect")) << each.why;
      fs::remove(in_collect("cback.collect"));
    }
    fs::remove(in_collect("x"));
    collect_whole();
    EXPECT_EQ(archived().count("d/b"), 1U) << each.why;
  }
}

TEST_F(IncrementalTest, TakesTheMarkerOfAMasterThatStagedTheCollectBeforeForNothing) {
  back_up();
  write("d/b", "b2");
  stage();  // late: the next collect has begun already when it is read
  collect_whole();
  next_day();
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}}));
}

TEST_F(IncrementalTest, HoldsAllOfTheDayWhenItIsStagedTwiceADay) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  stage();  // of this day already
  ahead_ = std::chrono::hours(0);
  write("d/c", "c1");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}, {"d/c", "c1"}}))
      << "the master replaces the archive of the day by this one";
  stage();
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

/// Collected in the evening, and staged in the night.
class EveningTest : public IncrementalTest {
 protected:
  /// The master comes after midnight: on the day of the next collect.
  void stage_after_midnight() {
    next_day();
    stage();
    fs::last_write_time(in_collect("cback.stage"), fs::file_time_type::clock::now() + ahead_);
  }
};

TEST_F(EveningTest, HoldsWhatIsNotStagedSinceTheDayBefore) {
  collect_whole();
  stage_after_midnight();
  write("d/b", "b2");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/a", "a1"}, {"d/b", "b2"}})) << "the day is not over";
  for (int day = 1; day < 5; ++day) {
    stage_after_midnight();
    const std::string now = "c" + std::to_string(day), before = "c" + std::to_string(day - 1);
    write("d/" + now, "x");
    collect_whole();
    EXPECT_EQ(archived(), day == 1 ? (Files{{"d/b", "b2"}, {"d/c1", "x"}})
                                   : (Files{{"d/" + before, "x"}, {"d/" + now, "x"}}))
        << day;
  }
}

TEST_F(EveningTest, GoesOnFromWhatWaitsWhenANightWasWithoutMaster) {
  collect_whole();
  stage_after_midnight();
  collect_whole();
  stage_after_midnight();
  write("d/b", "b2");
  collect_whole();  // starts from the first
  next_day();
  write("d/c", "c1");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}, {"d/c", "c1"}}));
}

TEST_F(EveningTest, ForgetsWhatWaitsWhereItMayHaveBeenReplaced) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  ahead_ = std::chrono::hours(0);
  stage();
  write("d/b", "b3");
  collect_whole();  // perhaps staged on the same day, and nobody told
  for (const auto& entry : fs::directory_iterator(plan_.collect_dir)) fs::remove(entry);
  next_day();
  write("d/b", "b2");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b2"}}));
}

TEST_F(EveningTest, BeginsAnewAlthoughSomethingOlderWaits) {
  back_up();
  write("d/b", "b2");
  collect_whole();
  stage_after_midnight();
  write("d/b", "b3");
  collect_whole();  // lets the one before wait
  stage_after_midnight();
  options_.full = true;
  collect_whole();
  options_.full = false;
  next_day();  // and it was not staged
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/a", "a1"}, {"d/b", "b3"}}));
}

TEST_F(EveningTest, LosesNothingWhereverItIsKilled) {
  back_up();
  for (unsigned n = 1;; ++n) {
    const std::string change = "change " + std::to_string(n);
    write("d/b", change);
    collect_whole();
    stage_after_midnight();
    write("d/c", change);
    const auto result = test::kill_at_system_call({SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_fsync}, n,
                                                  [this] { collect(); });
    if (result == test::TrapResult::impossible) GTEST_SKIP() << "ptrace(2) is not allowed here";
    ASSERT_NE(result, test::TrapResult::failed) << n;
    if (n % 2 == 0) next_day();
    collect_whole();
    EXPECT_EQ(archived()["d/c"], change) << n;
    stage_after_midnight();
    write("d/a", change);
    collect_whole();
    EXPECT_EQ(archived()["d/a"], change) << n;
    stage_after_midnight();
    if (result == test::TrapResult::ran_to_its_end) {
      EXPECT_GT(n, 10U);
      return;
    }
  }
}

TEST_F(IncrementalTest, BeginsAnewUntilThatIsStaged) {
  const Files all{{"d/a", "a1"}, {"d/b", "b1"}};
  back_up();
  options_.full = true;
  collect_whole();
  EXPECT_EQ(archived(), all);
  options_.full = false;
  next_day();
  collect_whole();
  EXPECT_EQ(archived(), all) << "the full one was never staged";
  stage();
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
  options_.is_starting_day = true;
  collect_whole();
  EXPECT_EQ(archived(), all);
}

TEST_F(IncrementalTest, BeginsAnewWhenTheFullOneWasInterrupted) {
  back_up();
  options_.is_starting_day = true;
  options_.cancelled = [] { return true; };
  EXPECT_TRUE(collect().cancelled);
  options_.is_starting_day = false;
  options_.cancelled = nullptr;
  collect_whole();
  EXPECT_EQ(archived().size(), 2U);
}

TEST_F(IncrementalTest, ForgetsItemsThatAreNoMoreWhenItBeganAnew) {
  write("e/x", "x");
  add("e", CollectMode::incremental);
  back_up();
  const config::CollectItem removed = plan_.items.back();
  plan_.items.pop_back();
  options_.full = true;
  back_up();
  options_.full = false;
  back_up();
  plan_.items.push_back(removed);
  collect_whole();
  EXPECT_EQ(files_of(archive_of("e")), (Files{{"e/x", "x"}}));
}

TEST_F(IncrementalTest, ForgetsFilesThatAreGone) {
  back_up();
  fs::remove(data("d/a"));
  back_up();
  write("d/a", "a1");
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/a", "a1"}}));
}

TEST_F(IncrementalTest, AlwaysHoldsLinks) {
  fs::create_symlink("a", data("d/link"));
  back_up();
  collect_whole();
  EXPECT_THAT(names_of(archive()), ElementsAre("d/link"));
}

/// A digest that is wrong about the content is believed, so the file was not read; one without a stamp is
/// not.
TEST_F(IncrementalTest, ReadsNoFileThatHasNotChanged) {
  back_up();
  const std::string name = archive_name(data("d"));
  const staging::Directory working = staging::Directory::open(plan_.working_dir);
  {
    DigestWriter forged(working, name, std::nullopt, "forged");
    for (const bool has_stamp : {true, false}) {
      const std::string path = data(has_stamp ? "d/a" : "d/b");
      struct stat status {};
      ASSERT_EQ(::lstat(path.c_str(), &status), 0);
      DigestEntry entry;
      entry.rights = Rights::of(status);
      if (has_stamp) entry.stamp = FileStamp::of(status);
      forged.add(path, entry);
    }
    forged.commit();
  }
  fs::rename(in_working(pending_digest_name(name)), in_working(confirmed_digest_name(name)));
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b1"}}));
}

TEST_F(IncrementalTest, SeesAChangeThatKeepsSizeAndTime) {
  const auto time = fs::last_write_time(data("d/a"));
  back_up();
  write("d/a", "a2");
  fs::last_write_time(data("d/a"), time);
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/a", "a2"}}));
}

TEST_F(IncrementalTest, DoesNotCollectWhatWasOnlyTouched) {
  back_up();
  fs::last_write_time(data("d/a"), fs::last_write_time(data("d/a")) + std::chrono::hours(1));
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

TEST_F(IncrementalTest, SeesRightsWhereTheContentIsWhole) {
  plan_.content = config::ArchiveContent::whole;
  back_up();
  fs::permissions(data("d/a"), fs::perms::owner_read);
  collect_whole();
  EXPECT_THAT(names_of(archive()), ElementsAre("d/", "d/a"));
}

TEST_F(IncrementalTest, HoldsTheDirectoriesAboveWhatIsNewAndThoseThatChanged) {
  plan_.content = config::ArchiveContent::whole;
  write("d/deep/er/x", "x");
  write("d/other/y", "y");
  back_up();
  write("d/deep/er/x", "x2");
  fs::create_directory(data("d/empty"));
  collect_whole();
  EXPECT_THAT(names_of(archive()),
              UnorderedElementsAre("d/", "d/deep/", "d/deep/er/", "d/deep/er/x", "d/empty/"));
}

TEST_F(IncrementalTest, KeepsTheAttributesOfDirectoriesAboveWhatIsNew) {
  plan_.content = config::ArchiveContent::whole;
  write("d/e/f", "x");
  if (::setxattr(data("d/e").c_str(), "user.color", "blue", 4, 0) != 0)
    GTEST_SKIP() << "this file system knows no extended attributes";
  back_up();
  write("d/e/f", "y");
  collect_whole();
  const fs::path into = directory_.path() / "restored";
  fs::create_directory(into);
  test::output_of("tar -x --xattrs --xattrs-include='*' -C " + into.string() + " -f " +
                  in_collect(archive()).string());
  std::string color(4, '\0');
  EXPECT_EQ(::getxattr((into.string() + data("d/e").string()).c_str(), "user.color", color.data(), 4), 4);
  EXPECT_EQ(color, "blue");
}

TEST_F(IncrementalTest, WritesNothingWhereWholeDirectoriesAreTheSame) {
  plan_.content = config::ArchiveContent::whole;
  write("d/deep/er/x", "x");
  back_up();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

TEST_F(IncrementalTest, CollectsAllWhenADigestIsBroken) {
  back_up();
  collect_whole();
  for (const auto& entry : fs::directory_iterator(plan_.working_dir)) {
    if (entry.path().extension() == ".digest") test::write_file(entry.path(), "peerstage digest 1\n");
  }
  next_day();
  collect_whole();
  EXPECT_EQ(archived().size(), 2U);
  EXPECT_TRUE(events_.has("all of it is collected"));
}

TEST_F(IncrementalTest, BeginsAnewWhenTheStateIsBroken) {
  back_up();
  test::write_file(in_working("peerstage.collect"), "rubbish");
  collect_whole();
  EXPECT_EQ(archived().size(), 2U);
  EXPECT_TRUE(events_.has("begin anew"));
}

TEST_F(IncrementalTest, DoesNotTakeTheStateOfAnotherCollectDirectoryForItsOwn) {
  back_up();
  const std::string other = directory_ / "collect2";
  fs::create_directory(other);
  plan_.collect_dir = other;
  collect_whole();
  EXPECT_TRUE(fs::exists(fs::path(other) / archive()));
}

/// A change is either in an archive that is complete, or in the next one.
TEST_F(IncrementalTest, LosesNothingWhereverItIsKilled) {
  write("d/c", "c1");
  back_up();
  for (unsigned n = 1;; ++n) {
    const std::string change = "change " + std::to_string(n);
    write("d/b", change);
    if (n % 5 == 0) options_.full = true;
    const auto result = test::kill_at_system_call(
        {SYS_renameat, SYS_renameat2, SYS_linkat, SYS_unlinkat, SYS_fsync, SYS_flock}, n,
        [this] { collect(); });
    options_.full = false;
    if (result == test::TrapResult::impossible) GTEST_SKIP() << "ptrace(2) is not allowed here";
    ASSERT_NE(result, test::TrapResult::failed) << n;
    if (stands("cback.collect") && stands("cback.sha256")) {
      EXPECT_EQ(manifest_check(plan_.collect_dir), "") << n;
    }
    const bool is_complete = stands("cback.collect") && !stands("cback.stage");
    if (is_complete) {
      EXPECT_EQ(archived()["d/b"], change) << n;
      stage();
    }
    next_day();
    collect_whole();
    if (!is_complete) {
      EXPECT_EQ(archived()["d/b"], change) << n;
    }
    stage();
    next_day();
    if (result == test::TrapResult::ran_to_its_end) {
      EXPECT_GT(n, 15U);
      return;
    }
  }
}

// --- moving over from Cedar Backup

class MovingOverTest : public IncrementalTest {
 protected:
  MovingOverTest() {
    // sha1("a1"), and something else than the sum of d/b.
    write_digest("f29bc91bbdab169fc0c0a326965953d11c7dff83");
  }
  void write_digest(const std::string& sum_of_a) const {
    test::write_file(in_working(archive_name(data("d")) + ".sha"),
                     "(dp0\nV" + data("d/a").string() + "\np1\nV" + sum_of_a + "\np2\nsV" +
                         data("d/b").string() + "\np3\nV" + std::string(40, '1') + "\np4\ns.");
  }
};

TEST_F(MovingOverTest, StartsFromTheDigestOfCedarBackup) {
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b1"}}));
  EXPECT_TRUE(events_.has("starting from the digest of Cedar Backup"));
  next_day();
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b1"}})) << "until one of ours is staged";
  stage();
  next_day();
  EXPECT_EQ(collect_whole().items.at(0).status, Status::nothing_new);
}

TEST_F(MovingOverTest, CollectsAllWhereCedarsArchiveIsNotStagedYet) {
  test::write_file(in_collect(archive_of("d", ".tar.gz")), "what changed yesterday");
  test::write_file(in_collect("cback.collect"), "");
  for (int day = 0; day < 2; ++day) {
    collect_whole();
    EXPECT_EQ(archived(), (Files{{"d/a", "a1"}, {"d/b", "b1"}})) << "until it is staged";
    next_day();
  }
}

TEST_F(MovingOverTest, CollectsAllAgainWhereCedarBackupCameBetween) {
  collect_whole();
  for (const std::string& name : {archive_of("d"), std::string("cback.collect")}) {
    fs::remove(in_collect(name));
    test::write_file(in_collect(name), "");
  }
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/a", "a1"}, {"d/b", "b1"}}));
}

TEST_F(MovingOverTest, StartsFromItWhereCedarsArchiveIsStaged) {
  test::write_file(in_collect(archive_of("d", ".tar.gz")), "what changed yesterday");
  test::write_file(in_collect("cback.collect"), "");
  stage();
  collect_whole();
  EXPECT_EQ(archived(), (Files{{"d/b", "b1"}}));
  EXPECT_FALSE(stands(archive_of("d", ".tar.gz")));
}

TEST_F(MovingOverTest, CollectsAllWhereTheDigestIsBroken) {
  write_digest("not a sum");
  const CollectReport report = collect();
  EXPECT_TRUE(report.marked);
  EXPECT_EQ(archived().size(), 2U);
  EXPECT_TRUE(events_.has("all of it is collected"));
}

TEST_F(MovingOverTest, ForgetsItWhenItBeginsAnew) {
  options_.full = true;
  collect_whole();
  options_.full = false;
  next_day();
  collect_whole();
  EXPECT_EQ(archived().size(), 2U);
}

}  // namespace
}  // namespace peerstage::peers::collect
