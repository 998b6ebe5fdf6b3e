#include "peers/collect/digest.h"

#include <chrono>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "peers/collect/collect_state.h"
#include "peers/collect/markers.h"
#include "peers/failure.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::collect {
namespace {

using staging::Directory;

class DigestTest : public testing::Test {
 protected:
  Directory working() const { return Directory::open(directory_.path()); }
  std::string file(const std::string& name) const { return directory_ / name; }

  test::TemporaryDirectory directory_;
};

ContentSum sum_of(std::uint8_t byte) {
  ContentSum sum{};
  sum.fill(byte);
  return sum;
}

TEST_F(DigestTest, KeepsWhatWasPutIntoIt) {
  const std::string odd = "/a b/\xff\n\\x41 ";
  const Directory where = working();
  DigestWriter writer(where, "etc", std::nullopt, "id1");
  writer.add("/plain", {.sum = sum_of(1)});
  writer.add(odd, {.sum = sum_of(2), .rights = Rights{04755, 1, 2}, .stamp = FileStamp{3, -4, 5, 6}});
  writer.add("/fresh", {.sum = sum_of(3), .rights = Rights{0600, 7, 8}});
  writer.add("/dir", {.kind = DigestEntry::Kind::directory, .rights = Rights{0700, 1, 1}, .modified = -9});
  writer.commit();

  const auto digest = read_digest(where, pending_digest_name("etc"));
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->size(), 4U);
  EXPECT_EQ(collect_of_digest(where, pending_digest_name("etc")), "id1");
  ASSERT_NE(digest->find("/plain"), nullptr);
  EXPECT_EQ(digest->find("/plain")->sum, sum_of(1));
  EXPECT_EQ(digest->find("/plain")->rights, std::nullopt);
  ASSERT_NE(digest->find(odd), nullptr);
  EXPECT_EQ(digest->find(odd)->rights, (Rights{04755, 1, 2}));
  EXPECT_EQ(digest->find(odd)->stamp, (FileStamp{3, -4, 5, 6}));
  ASSERT_NE(digest->find("/fresh"), nullptr);
  EXPECT_EQ(digest->find("/fresh")->stamp, std::nullopt);
  ASSERT_NE(digest->find("/dir"), nullptr);
  EXPECT_EQ(digest->find("/dir")->kind, DigestEntry::Kind::directory);
  EXPECT_EQ(digest->find("/dir")->modified, -9);
  EXPECT_EQ(digest->find("/other"), nullptr);
}

TEST_F(DigestTest, IsAbsentWhereThereIsNone) {
  EXPECT_FALSE(read_digest(working(), "none.digest"));
  EXPECT_EQ(collect_of_digest(working(), "none.digest"), "");
}

TEST_F(DigestTest, LeavesTheOldOneUntilTheNewOneIsWhole) {
  const Directory where = working();
  {
    DigestWriter writer(where, "etc", std::nullopt, "id1");
    writer.commit();
  }
  {
    DigestWriter writer(where, "etc", std::nullopt, "id2");
    writer.add("/a", {});
  }
  EXPECT_EQ(collect_of_digest(where, pending_digest_name("etc")), "id1");
  EXPECT_EQ(where.list(), std::vector{pending_digest_name("etc")}) << "the unfinished one is gone";
}

TEST_F(DigestTest, NoticesEveryCutAndEveryFlippedBit) {
  const Directory where = working();
  {
    DigestWriter writer(where, "etc", std::nullopt, "id1");
    writer.add("/a", {.sum = sum_of(1), .rights = Rights{0600, 0, 0}});
    writer.commit();
  }
  const std::string name = pending_digest_name("etc");
  const std::string whole = test::read_text(file(name));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    test::write_file(file(name), whole.substr(0, length));
    EXPECT_THROW(read_digest(where, name), PeerError) << length;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 2);
    test::write_file(file(name), flipped);
    EXPECT_THROW(read_digest(where, name), PeerError) << at;
  }
}

TEST_F(DigestTest, FollowsNoLink) {
  test::write_file(file("target"), "x");
  std::filesystem::create_symlink(file("target"), file("etc.digest"));
  EXPECT_THROW(read_digest(working(), "etc.digest"), PeerError);
}

TEST(DigestNames, CanBeTurnedBack) {
  EXPECT_EQ(archive_of_confirmed_digest(confirmed_digest_name("a.b")), "a.b");
  EXPECT_EQ(archive_of_confirmed_digest(pending_digest_name("a")), std::nullopt);
  EXPECT_EQ(archive_of_confirmed_digest(waiting_digest_name("a")), std::nullopt);
  EXPECT_EQ(archive_of_confirmed_digest("a.sha"), std::nullopt);
}

TEST(FileStamps, AreKeptOfFilesThatRestedForAWhile) {
  using std::chrono::seconds;
  const std::chrono::system_clock::time_point now{seconds(1000)};
  const std::int64_t second = 1'000'000'000;
  const struct {
    const char* why;
    FileStamp stamp;
    bool is_settled;
  } cases[] = {
      {"changed long ago", {1, 900 * second, 900 * second, 1}, true},
      {"a bit longer than the time", {1, 0, 939 * second, 1}, true},
      {"just then", {1, 0, 940 * second, 1}, false},
      {"an old time set by hand", {1, 0, 999 * second, 1}, false},
      {"a new time set by hand", {1, 999 * second, 0, 1}, false},
      {"in the future", {1, 5000 * second, 5000 * second, 1}, false},
  };
  for (const auto& each : cases)
    EXPECT_EQ(is_settled(each.stamp, now, seconds(60)), each.is_settled) << each.why;
}

TEST_F(DigestTest, KeepsTheStateOfACollect) {
  const Directory where = working();
  EXPECT_FALSE(read_collect_state(where));
  CollectState state;
  state.collect_dir = "/var/c \xff";
  state.base = Base::nothing;
  state.trusts_cedar = false;
  state.published = CollectState::Published{"id", 12, 34, 56};
  state.waiting = CollectState::Waiting{"earlier", 78};
  state.archives = {"a.tar", "b c\n.tar"};
  write_collect_state(where, std::nullopt, state);
  const auto found = read_collect_state(where);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->collect_dir, state.collect_dir);
  EXPECT_EQ(found->base, Base::nothing);
  EXPECT_FALSE(found->trusts_cedar);
  ASSERT_TRUE(found->published);
  EXPECT_EQ(found->published->id, "id");
  EXPECT_EQ(found->published->modified, 12);
  EXPECT_EQ(found->published->inode, 34U);
  EXPECT_EQ(found->published->staged, 56);
  ASSERT_TRUE(found->waiting);
  EXPECT_EQ(found->waiting->id, "earlier");
  EXPECT_EQ(found->waiting->staged, 78);
  EXPECT_EQ(found->archives, state.archives);
}

TEST(Markers, SayStagedOnlyWhenTheyAreLater) {
  const struct {
    const char* why;
    std::optional<Marker> stage;
    bool is_staged;
  } cases[] = {
      {"there is none", std::nullopt, false},
      {"older", Marker{99, 99, 1}, false},
      {"of the same time: it may be about the collect before", Marker{100, 100, 1}, false},
      {"later", Marker{101, 101, 1}, true},
      {"an old one that was handed over since", Marker{99, 101, 1}, false},
      {"with a time that was set by hand", Marker{101, 99, 1}, false},
  };
  for (const auto& each : cases) EXPECT_EQ(says_staged(each.stage, 100), each.is_staged) << each.why;
}

TEST_F(DigestTest, TakesNothingButRegularFilesForMarkers) {
  const Directory where = working();
  EXPECT_FALSE(find_marker(where, "cback.stage"));
  test::write_file(file("target"), "");
  std::filesystem::create_symlink(file("target"), file("cback.stage"));
  EXPECT_FALSE(find_marker(where, "cback.stage"));
  std::filesystem::remove(file("cback.stage"));
  std::filesystem::create_directory(file("cback.stage"));
  EXPECT_FALSE(find_marker(where, "cback.stage"));
}

}  // namespace
}  // namespace peerstage::peers::collect
