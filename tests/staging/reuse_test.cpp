#include "peers/staging/reuse.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A peer that was staged on an earlier day.
class ReuseTest : public StagingFixture {
 protected:
  ReuseTest() {
    peer.add_file("/collect/cback.collect", "");
    peer.add_file("/collect/a.tar", "alpha");
    peer.add_directory("/collect/sub");
    peer.add_file("/collect/sub/b", std::string(300'000, 'b'), 0600);
  }

  void stage_earlier(const std::string& date = "2026/11/19") {
    stage();
    fs::create_directories(fs::path(staging_dir + "/" + date).parent_path());
    fs::rename(day(), staging_dir + "/" + date);
    peer.forget_what_happened();
    before = staging_dir + "/" + date + "/web1";
  }

  void expect_same_as_before() {
    EXPECT_EQ(without_manifest(tree_of(peer_day())), without_manifest(tree_of(before)));
    EXPECT_EQ(read_text(peer_day() + "/cback.sha256"), read_text(before + "/cback.sha256"));
    EXPECT_FALSE(exists(spool()));
  }

  std::string before;  ///< the peer's earlier day
};

TEST_F(ReuseTest, what_has_not_changed_since_yesterday_is_not_fetched) {
  stage_earlier();
  const Tree untouched = traces_of(before);
  const StagedTree result = stage();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.files, 3U);
  EXPECT_EQ(result.reused_files, 3U);
  EXPECT_THAT(peer.fetched, IsEmpty());
  EXPECT_EQ(observer.planned_work, (std::pair<std::uint64_t, std::uint64_t>(0, 0)));
  EXPECT_EQ(traces_of(before), untouched);
  expect_same_as_before();
}

TEST_F(ReuseTest, says_on_which_day_each_file_was_fetched) {
  const auto day_before = Date(std::chrono::sys_days(today) - std::chrono::days(1));
  const auto two_before = Date(std::chrono::sys_days(today) - std::chrono::days(2));
  stage_earlier("2026/11/18");
  peer.change("/collect/sub/b", "other");
  stage_earlier("2026/11/19");
  peer.change("/collect/cback.collect", "!");
  stage();
  EXPECT_EQ(observer.told.at("a.tar").fetched_on, two_before);
  EXPECT_EQ(observer.told.at("sub/b").fetched_on, day_before);
  EXPECT_EQ(observer.told.at("cback.collect").fetched_on, std::nullopt);
}

TEST_F(ReuseTest, each_day_has_files_of_its_own) {
  stage_earlier();
  stage();
  struct stat status {};
  ASSERT_EQ(::stat((peer_day() + "/a.tar").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 1U);
  std::ofstream(peer_day() + "/a.tar", std::ios::app) << "more";
  EXPECT_EQ(read_text(before + "/a.tar"), "alpha");
}

TEST_F(ReuseTest, only_what_has_changed_is_fetched) {
  stage_earlier();
  peer.change("/collect/a.tar", "other");
  peer.add_file("/collect/new", "new");
  const StagedTree result = stage();
  EXPECT_THAT(peer.fetched, ElementsAre("/collect/a.tar", "/collect/new"));
  EXPECT_EQ(result.reused_files, 2U);
  EXPECT_EQ(read_text(peer_day() + "/a.tar"), "other");
  EXPECT_EQ(read_text(before + "/a.tar"), "alpha");
}

TEST_F(ReuseTest, what_is_gone_at_the_peer_stays_in_the_earlier_day_only) {
  stage_earlier();
  peer.entries.erase("/collect/a.tar");
  stage();
  EXPECT_FALSE(exists(peer_day() + "/a.tar"));
  EXPECT_TRUE(exists(before + "/a.tar"));
}

TEST_F(ReuseTest, a_file_that_the_disk_has_spoiled_since_is_fetched) {
  stage_earlier();
  std::fstream(before + "/a.tar", std::ios::in | std::ios::out) << "A";
  EXPECT_EQ(read_text(before + "/a.tar"), "Alpha");
  const StagedTree result = stage();
  EXPECT_THAT(peer.fetched, ElementsAre("/collect/a.tar"));
  EXPECT_EQ(read_text(peer_day() + "/a.tar"), "alpha");
  EXPECT_EQ(result.reused_files, 2U);
}

TEST_F(ReuseTest, a_file_that_became_shorter_or_something_else_is_fetched) {
  stage_earlier();
  fs::resize_file(before + "/sub/b", 10);
  fs::remove(before + "/a.tar");
  fs::create_symlink(temporary / "elsewhere", before + "/a.tar");
  stage();
  EXPECT_THAT(peer.fetched, ElementsAre("/collect/a.tar", "/collect/sub/b"));
}

TEST_F(ReuseTest, the_peers_own_manifest_has_the_last_word) {
  stage_earlier();
  peer.change_unseen("/collect/a.tar");
  const std::string content = peer.entries.at("/collect/a.tar").content;
  Sha256 hash;
  hash.add(content);
  peer.add_file("/collect/cback.sha256", hash.finish().hex() + "  a.tar\n");
  stage();
  EXPECT_EQ(read_text(peer_day() + "/a.tar"), content);
}

TEST_F(ReuseTest, with_checksums_a_change_that_no_listing_shows_is_fetched) {
  stage_earlier();
  peer.change_unseen("/collect/a.tar");
  options.verify = config::Verify::checksum;
  stage();
  EXPECT_EQ(read_text(peer_day() + "/a.tar"), peer.entries.at("/collect/a.tar").content);
}

TEST_F(ReuseTest, modes_are_those_of_now) {
  stage_earlier();
  peer.entries.at("/collect/a.tar").permissions = 0600;
  options.umask = 077;
  stage();
  EXPECT_EQ(tree_of(peer_day()).at("a.tar"), "600 alpha");
}

TEST_F(ReuseTest, the_newest_of_the_days_of_a_month_counts) {
  stage_earlier("2026/10/21");
  peer.change("/collect/a.tar", "other");
  stage_earlier("2026/11/02");
  stage();
  EXPECT_THAT(peer.fetched, IsEmpty());
  EXPECT_EQ(read_text(peer_day() + "/a.tar"), "other");
}

TEST_F(ReuseTest, what_is_older_than_a_month_is_not_looked_at) {
  stage_earlier("2026/10/19");
  stage();
  EXPECT_EQ(peer.fetched.size(), 3U);
}

TEST_F(ReuseTest, a_later_day_is_not_looked_at) {
  stage_earlier("2026/11/21");
  stage();
  EXPECT_EQ(peer.fetched.size(), 3U);
}

TEST_F(ReuseTest, a_day_behind_a_link_is_not_looked_at) {
  stage_earlier("2026/11/18");
  fs::create_directory_symlink(staging_dir + "/2026/11/18", staging_dir + "/2026/11/19");
  fs::rename(staging_dir + "/2026/11/18", temporary / "elsewhere");
  stage();
  EXPECT_EQ(peer.fetched.size(), 3U);
}

TEST_F(ReuseTest, that_is_switched_off_fetches_everything) {
  stage_earlier();
  options.reuse_unchanged = false;
  const StagedTree result = stage();
  EXPECT_EQ(peer.fetched.size(), 3U);
  EXPECT_EQ(result.reused_files, 0U);
}

TEST_F(ReuseTest, files_without_our_tag_are_fetched) {
  write_file(staging_dir + "/2026/11/19/web1/a.tar", "alpha");
  stage();
  EXPECT_EQ(peer.fetched.size(), 3U);
}

/// A beginning of a file from an earlier day must not be gone on with from the peer: together they would be a
/// mixture.
TEST_F(ReuseTest, an_unfinished_copy_is_not_continued_from_the_peer) {
  stage_earlier();
  write_file(spool() + "/" + std::string(32, '0'), "al");
  stage();
  EXPECT_THAT(peer.fetched, IsEmpty());
  expect_same_as_before();
}

}  // namespace
}  // namespace peerstage::peers::staging
