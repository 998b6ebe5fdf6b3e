#include "config/collect_plan.h"

#include <string>

#include <gtest/gtest.h>

#include "config/load.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

using Strings = std::vector<std::string>;

std::optional<CollectPlan> plan(const std::string& section, const std::string& own = "") {
  const test::TemporaryDirectory directory;
  const std::string text =
      "<cb_config><options><starting_day>friday</starting_day><working_dir>/w</working_dir>"
      "<backup_user>pool</backup_user><backup_group>staff</backup_group>"
      "<rcp_command>scp</rcp_command></options>" +
      section + "<peerstage><collect>" + own + "</collect></peerstage></cb_config>";
  const LoadResult loaded = load(directory.write("cback.conf", text), StartedAs::user);
  EXPECT_TRUE(loaded.config) << (loaded.findings.empty() ? "" : loaded.findings.front().text());
  return loaded.config ? plan_collect(*loaded.config) : std::nullopt;
}

/// A collect section with every default, before what `more` says.
std::optional<CollectPlan> collect(const std::string& more, const std::string& own = "") {
  return plan(
      "<collect><collect_dir>/c</collect_dir><collect_mode>daily</collect_mode>"
      "<archive_mode>targz</archive_mode><ignore_file>.ignore</ignore_file>" +
          more + "</collect>",
      own);
}

CollectItem only_item(const std::string& more, const std::string& own = "") {
  const auto result = collect(more, own);
  if (!result || result->items.size() != 1) {
    ADD_FAILURE() << "there is not exactly one item";
    return {};
  }
  return result->items.front();
}

std::string dir(const std::string& more, const std::string& path = "/d") {
  return "<dir><abs_path>" + path + "</abs_path>" + more + "</dir>";
}

TEST(CollectPlan, IsAbsentWithoutACollectSection) {
  EXPECT_FALSE(plan("<purge/>"));
}

TEST(CollectPlan, MayBeWithoutItems) {
  const auto result = collect("");
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->items.empty());
  EXPECT_EQ(result->collect_dir, "/c");
  EXPECT_EQ(result->working_dir, "/w");
  EXPECT_EQ(result->backup_user, "pool");
  EXPECT_EQ(result->backup_group, "staff");
  EXPECT_EQ(result->starting_day, Day::friday);
  EXPECT_EQ(result->content, ArchiveContent::whole);
  EXPECT_EQ(result->incomplete, IncompleteCollect::withhold);
}

TEST(CollectPlan, TakesFilesFirstEachInTheOrderOfTheFile) {
  const auto result = collect(dir("", "/d1") + "<file><abs_path>/f1</abs_path></file>" + dir("", "/d2") +
                              "<file><abs_path>/f2</abs_path></file>");
  ASSERT_TRUE(result);
  Strings paths;
  for (const CollectItem& item : result->items) paths.push_back(item.path);
  EXPECT_EQ(paths, (Strings{"/f1", "/f2", "/d1", "/d2"}));
  EXPECT_EQ(result->items[1].type, CollectItem::Type::file);
  EXPECT_EQ(result->items[2].type, CollectItem::Type::directory);
}

TEST(CollectPlan, InheritsFromTheSectionWhatADirectoryDoesNotSay) {
  const CollectItem item = only_item(dir(""));
  EXPECT_EQ(item.collect_mode, CollectMode::daily);
  EXPECT_EQ(item.archive_mode, ArchiveMode::targz);
  EXPECT_EQ(item.ignore_file, ".ignore");
  EXPECT_EQ(item.link_depth, 0);
  EXPECT_FALSE(item.dereference);
  EXPECT_EQ(item.recursion_level, 0);
}

TEST(CollectPlan, LetsADirectoryWinOverTheSection) {
  const CollectItem item =
      only_item(dir("<mode>incr</mode><collect_mode>weekly</collect_mode><archive_mode>tar</archive_mode>"
                    "<ignore_file>.mine</ignore_file><link_depth>2</link_depth><dereference>Y</dereference>"
                    "<recursion_level>-1</recursion_level>"));
  EXPECT_EQ(item.collect_mode, CollectMode::incremental) << "mode wins over collect_mode";
  EXPECT_EQ(item.archive_mode, ArchiveMode::tar);
  EXPECT_EQ(item.ignore_file, ".mine");
  EXPECT_EQ(item.link_depth, 2);
  EXPECT_TRUE(item.dereference);
  EXPECT_EQ(item.recursion_level, -1);
}

TEST(CollectPlan, LetsAFileWinOverTheSectionAndGivesItNoRulesOfDirectories) {
  const CollectItem item = only_item(
      "<exclude><abs_path>/f</abs_path><pattern>.*</pattern></exclude>"
      "<file><abs_path>/f</abs_path><collect_mode>weekly</collect_mode>"
      "<archive_mode>tarbz2</archive_mode></file>");
  EXPECT_EQ(item.collect_mode, CollectMode::weekly);
  EXPECT_EQ(item.archive_mode, ArchiveMode::tarbz2);
  EXPECT_EQ(item.ignore_file, "");
  EXPECT_TRUE(item.excluded_paths.empty()) << "exclusions do not concern file entries";
  EXPECT_TRUE(item.excluded_patterns.empty());
}

TEST(CollectPlan, AddsTheExclusionsOfTheDirectoryToThoseOfTheSection) {
  const CollectItem item = only_item(
      "<exclude><abs_path>/s</abs_path><pattern>S</pattern><rel_path>not read here</rel_path></exclude>" +
      dir("<exclude><abs_path>/o/</abs_path><rel_path>a/b</rel_path><rel_path>/abs</rel_path>"
          "<pattern>O|P</pattern></exclude>"));
  EXPECT_EQ(item.excluded_paths, (Strings{"/s", "/o/", "/d/a/b", "/abs"}));
  EXPECT_EQ(item.excluded_patterns, (Strings{"S", "O|P"}));
}

TEST(CollectPlan, JoinsARelativePathToADirectoryWithASlashAtItsEnd) {
  EXPECT_EQ(only_item(dir("<exclude><rel_path>x</rel_path></exclude>", "/d/")).excluded_paths,
            Strings{"/d/x"});
  EXPECT_EQ(only_item(dir("<exclude><rel_path>x</rel_path></exclude>", "/")).excluded_paths, Strings{"/x"});
}

TEST(CollectPlan, LetsTheArchiveModeOfOurSectionWinOverAll) {
  const auto result =
      collect(dir("<archive_mode>tar</archive_mode>") + "<file><abs_path>/f</abs_path></file>",
              "<archive_mode>tarzst</archive_mode><content>cedar</content>"
              "<incomplete>mark</incomplete>");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->items.at(0).archive_mode, ArchiveMode::tarzst);
  EXPECT_EQ(result->items.at(1).archive_mode, ArchiveMode::tarzst);
  EXPECT_EQ(result->content, ArchiveContent::cedar);
  EXPECT_EQ(result->incomplete, IncompleteCollect::mark);
}

}  // namespace
}  // namespace peerstage::config
