#include <utility>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "purge_fixture.h"

namespace peerstage::peers::purge {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Names = std::set<std::string>;

/// `top` is a collect directory. Its files are made now, a hundred days before the purge, and in the order of
/// their times, because nobody can set a ctime.
class UnstagedTest : public PurgeTest {
 protected:
  const system_clock::time_point made = system_clock::now();

  UnstagedTest() { options.collect_dirs = {top}; }

  /// From here on, things are later than all that was made or changed before: the kernel's clock for files
  /// has ticks.
  void pass_time() const {
    const auto tick = [this] {
      struct stat status {};
      EXPECT_EQ(::stat(temporary.write("probe", "").c_str(), &status), 0);
      return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    };
    for (const auto before = tick(); tick() == before;) {
    }
    fs::remove(temporary / "probe");
  }
  std::string data(const std::string& name) const {
    pass_time();
    return temporary.write("top/" + name, "data");
  }
  void collected() const { data("cback.collect"); }
  void staged() const { data("cback.stage"); }
  /// The usual state after a good night.
  void mark_staged() const {
    collected();
    staged();
  }
};

struct StateCase {
  const char* name;
  const char* order;  ///< of the data, the collect and the stage
  bool goes;
  const char* reason;
};

class StateOfTheCollect : public UnstagedTest, public ::testing::WithParamInterface<StateCase> {};

TEST_P(StateOfTheCollect, decides) {
  const StateCase& c = GetParam();
  for (const char each : std::string(c.order)) {
    if (each == 'c') collected();
    if (each == 's') staged();
    if (each != 'd') continue;
    data("etc.tar");
    data("below/more.tar");
  }
  const Names before = tree();
  const PurgeReport report = run(7);
  const DirectoryReport& found = report.directories.at(0);
  EXPECT_THAT(found.failures, IsEmpty());
  if (c.goes) {
    EXPECT_EQ(tree(), Names{});
    EXPECT_EQ(found.kept_unstaged, 0U);
    EXPECT_THAT(observer.warnings, IsEmpty());
  } else {
    EXPECT_EQ(tree(), before);
    EXPECT_EQ(found.kept_unstaged, 2U);
    EXPECT_THAT(observer.warnings,
                ElementsAre(AllOf(HasSubstr("kept 2 files"), HasSubstr(top), HasSubstr(c.reason))));
  }
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, StateOfTheCollect,
    ::testing::Values(StateCase{"staged", "dcs", true, ""},
                      StateCase{"collected_after_the_stage", "dsc", false,
                                "not later than its cback.collect"},
                      StateCase{"never_staged", "dc", false, "no cback.stage"},
                      StateCase{"collect_that_failed_after_a_stage", "ds", false, "no cback.collect"},
                      StateCase{"neither", "d", false, "no cback.collect"},
                      StateCase{"files_newer_than_the_mark", "csd", false, "changed after its cback.stage"}),
    case_name);

TEST_F(UnstagedTest, mark_of_the_same_moment_may_be_about_the_collect_before) {
  data("etc.tar");
  mark_staged();
  for (const char* name : {"/cback.collect", "/cback.stage"}) set_times(top + name, made, made);
  EXPECT_EQ(run(7).directories.at(0).kept_unstaged, 1U);
  EXPECT_TRUE(fs::exists(top + "/etc.tar"));
}

TEST_F(UnstagedTest, mark_with_a_time_ahead_says_nothing_about_a_later_collect) {
  data("etc.tar");
  staged();
  set_times(top + "/cback.stage", made + 1 * day, made + 1 * day);
  collected();
  EXPECT_EQ(run(7).directories.at(0).kept_unstaged, 1U);
  EXPECT_TRUE(fs::exists(top + "/etc.tar"));
}

TEST_F(UnstagedTest, mark_with_a_time_ahead_says_nothing_about_a_later_file) {
  data("etc.tar");
  mark_staged();
  set_times(top + "/cback.stage", made + 1 * day, made + 1 * day);
  set_times(data("new.tar"), made - 1h, made - 1h);
  EXPECT_EQ(run(7).directories.at(0).kept_unstaged, 1U);
  EXPECT_EQ(tree(), (Names{"new.tar", "cback.collect", "cback.stage"}));
}

TEST_F(UnstagedTest, data_goes_all_the_same_where_the_configuration_says_so) {
  data("etc.tar");
  collected();
  options.unstaged = config::UnstagedData::remove;
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(UnstagedTest, indicator_that_is_no_regular_file_proves_nothing) {
  data("etc.tar");
  collected();
  fs::create_symlink(data("real"), top + "/cback.stage");
  run(7);
  EXPECT_TRUE(fs::exists(top + "/etc.tar"));
}

TEST_F(UnstagedTest, file_that_came_after_the_mark_is_kept_though_its_mtime_is_old) {
  mark_staged();
  set_times(data("etc.tar"), made - 1h, made - 1h);
  const PurgeReport report = run(7);
  EXPECT_EQ(report.directories.at(0).kept_unstaged, 1U);
  EXPECT_TRUE(fs::exists(top + "/etc.tar"));
}

TEST_F(UnstagedTest, rule_does_not_make_anything_go_that_is_young) {
  file("young", 1 * day);
  mark_staged();
  const PurgeReport report = run(7);
  EXPECT_EQ(report.directories.at(0).files, 0U);
}

TEST_F(UnstagedTest, indicators_stay_as_long_as_a_file_is_there_that_they_tell_about) {
  data("etc.tar");
  const std::string young = data("below/read-lately.tar");
  set_times(young, now, made);
  mark_staged();
  run(7);
  EXPECT_EQ(tree(), (Names{"below", "below/read-lately.tar", "cback.collect", "cback.stage"}));
  // The next purge can judge, too.
  set_times(young, made, made);
  mark_staged();
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(UnstagedTest, indicators_stay_when_they_are_young_themselves) {
  data("etc.tar");
  mark_staged();
  set_times(top + "/cback.stage", now, now);
  run(7);
  EXPECT_EQ(tree(), Names{"cback.stage"});
}

TEST_F(UnstagedTest, master_that_has_not_come_finds_the_indicator_of_an_empty_collect) {
  collected();
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), Names{"cback.collect"});
  EXPECT_EQ(report.directories.at(0).kept_unstaged, 0U);
}

TEST_F(UnstagedTest, indicator_of_the_master_that_is_all_that_is_left_goes) {
  staged();
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(UnstagedTest, files_below_that_are_called_like_indicators_are_data) {
  data("below/cback.stage");
  data("below/cback.collect");
  collected();
  const Names before = tree();
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), before);
  EXPECT_EQ(report.directories.at(0).kept_unstaged, 2U);
}

TEST_F(UnstagedTest, manifest_goes_with_the_first_file_that_it_names) {
  data("etc.tar");
  set_times(data("home.tar"), now, made);
  set_times(data("cback.sha256"), now, made);
  mark_staged();
  run(7);
  EXPECT_EQ(tree(), (Names{"home.tar", "cback.collect", "cback.stage"}));
}

TEST_F(UnstagedTest, manifest_is_gone_wherever_the_purge_is_interrupted) {
  data("etc.tar");
  data("home.tar");
  set_times(data("cback.sha256"), now, made);
  mark_staged();
  options.cancelled = [&] { return !fs::exists(top + "/etc.tar") || !fs::exists(top + "/home.tar"); };
  EXPECT_TRUE(run(7).cancelled);
  EXPECT_EQ(tree().size(), 3U);
  EXPECT_FALSE(fs::exists(top + "/cback.sha256"));
}

TEST_F(UnstagedTest, manifest_goes_with_a_file_of_a_directory_below_that_is_purged_alone) {
  data("below/etc.tar");
  set_times(data("cback.sha256"), now, made);
  mark_staged();
  run({{top + "/below", 7}});
  EXPECT_EQ(tree(), (Names{"below", "cback.collect", "cback.stage"}));
}

TEST_F(UnstagedTest, manifest_of_a_collect_that_came_during_the_purge_stays) {
  data("a");
  data("b");
  mark_staged();
  observer.on_event = [&](const std::string&) {
    data("cback.sha256");
    observer.on_event = nullptr;
  };
  EXPECT_EQ(run(7).directories.at(0).files, 2U);
  EXPECT_TRUE(fs::exists(top + "/cback.sha256"));
}

TEST_F(UnstagedTest, manifest_counts_once_in_a_dry_run) {
  data("etc.tar");
  for (const auto last_use : {now, made}) {
    set_times(data("cback.sha256"), last_use, made);
    mark_staged();
    options.dry_run = true;
    const PurgeReport report = run(7);
    EXPECT_EQ(report.directories.at(0).files, 4U);
    ASSERT_EQ(report.directories.at(0).removals.size(), 4U);
    EXPECT_EQ(report.directories.at(0).removals.at(0).path, top + "/cback.sha256");
  }
}

TEST_F(UnstagedTest, manifest_that_is_alone_counts_once_in_a_dry_run) {
  data("cback.sha256");
  mark_staged();
  options.dry_run = true;
  EXPECT_EQ(run(7).directories.at(0).files, 3U);
}

TEST_F(UnstagedTest, manifest_stays_with_what_it_names) {
  set_times(data("home.tar"), now, made);
  set_times(data("cback.sha256"), now, made);
  mark_staged();
  run(7);
  EXPECT_EQ(tree(), (Names{"home.tar", "cback.sha256", "cback.collect", "cback.stage"}));
}

TEST_F(UnstagedTest, collect_directory_is_known_wherever_the_purge_begins) {
  data("below/etc.tar");
  collected();
  const test::TemporaryDirectory elsewhere;
  fs::create_directory_symlink(top, elsewhere / "alias");
  for (const std::string& begin : {temporary.path().string(), top + "/below", elsewhere / "alias/below"}) {
    EXPECT_EQ(run({{begin, 7}}).directories.at(0).kept_unstaged, 1U) << begin;
  }
  EXPECT_TRUE(fs::exists(top + "/below/etc.tar"));
  staged();
  run({{elsewhere / "alias/below", 7}});
  EXPECT_FALSE(fs::exists(top + "/below/etc.tar"));
}

TEST_F(UnstagedTest, what_the_indicators_said_at_the_start_holds_for_the_whole_purge) {
  for (int i = 0; i < 5; ++i) data("file" + std::to_string(i));
  mark_staged();
  // A collect begins while it runs.
  observer.on_event = [&](const std::string&) {
    fs::remove(top + "/cback.collect");
    observer.on_event = nullptr;
  };
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(UnstagedTest, what_a_collect_writes_during_the_purge_is_kept) {
  data("a");
  data("b");
  mark_staged();
  observer.on_event = [&](const std::string& text) {
    data(text.find("/a,") != std::string::npos ? "b" : "a");
    observer.on_event = nullptr;
  };
  const PurgeReport report = run(7);
  EXPECT_EQ(report.directories.at(0).files, 1U);
  EXPECT_EQ(report.directories.at(0).kept_unstaged, 1U);
}

}  // namespace
}  // namespace peerstage::peers::purge
