#include "peers/staging/staging_area.h"

#include <cstdio>
#include <exception>
#include <filesystem>
#include <vector>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

class StagingAreaTest : public ::testing::Test {
 protected:
  StagingAreaTest() : staging_dir(temporary / "deep/er/staging") {}

  StagingArea open(RunMode mode = RunMode::real, std::optional<Ownership> owner = std::nullopt) {
    return StagingArea::open(staging_dir, owner, mode);
  }

  test::TemporaryDirectory temporary;
  std::string staging_dir;
  RecordingObserver observer;
};

TEST_F(StagingAreaTest, is_created_with_all_parents) {
  open();
  EXPECT_EQ(tree_of(temporary.path()), (Tree{{"deep", "755 directory"},
                                             {"deep/er", "755 directory"},
                                             {"deep/er/staging", "755 directory"},
                                             {"deep/er/staging/.peerstage", "700 directory"}}));
}

TEST_F(StagingAreaTest, of_a_dry_run_is_not_created) {
  StagingArea area = open(RunMode::dry_run);
  EXPECT_TRUE(area.try_lock());
  EXPECT_GT(area.free_space().total_bytes, 0U);
  area.remove_leftovers({}, observer);
  area.open_day(today);
  EXPECT_FALSE(area.day_marked());
  EXPECT_FALSE(area.has_peer("web1"));
  area.mark_day();
  area.unmark_day();
  area.close_day();
  EXPECT_EQ(tree_of(temporary.path()), Tree{});
}

TEST_F(StagingAreaTest, that_is_a_file_is_an_error) {
  write_file(staging_dir, "");
  EXPECT_THROW(open(), PeerError);
}

TEST_F(StagingAreaTest, has_one_holder_of_the_lock) {
  StagingArea first = open();
  EXPECT_TRUE(first.try_lock());
  StagingArea second = open();
  EXPECT_FALSE(second.try_lock());
  { const StagingArea gone = std::move(first); }
  EXPECT_TRUE(second.try_lock());
}

TEST_F(StagingAreaTest, lock_is_held_until_the_last_child_that_has_it_is_gone) {
  auto first = std::make_optional(open());
  ASSERT_TRUE(first->try_lock());
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe_ends[1]);
    char byte = 0;
    ::_exit(::read(pipe_ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  EXPECT_GE(first->lock_descriptor(), 0);
  first.reset();
  StagingArea second = open();
  EXPECT_FALSE(second.try_lock());
  ::close(pipe_ends[1]);
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(second.try_lock());
}

TEST_F(StagingAreaTest, lock_file_that_was_removed_lets_nobody_else_in_and_is_replaced_afterwards) {
  auto first = std::make_optional(open());
  ASSERT_TRUE(first->try_lock());
  fs::remove(staging_dir + "/.peerstage/.lock");
  StagingArea second = open();
  EXPECT_FALSE(second.try_lock());
  EXPECT_TRUE(is_run_at_work(Directory::open(staging_dir)));
  first.reset();
  EXPECT_FALSE(is_run_at_work(Directory::open(staging_dir)));
  EXPECT_TRUE(second.try_lock());
  EXPECT_TRUE(exists(staging_dir + "/.peerstage/.lock"));
}

TEST_F(StagingAreaTest, lock_that_is_a_symlink_is_refused) {
  open();
  write_file(temporary / "target", "precious");
  fs::create_symlink(temporary / "target", staging_dir + "/.peerstage/.lock");
  StagingArea area = open();
  EXPECT_THROW(area.try_lock(), PeerError);
  EXPECT_EQ(read_text(temporary / "target"), "precious");
}

TEST_F(StagingAreaTest, removes_the_day_that_stayed_empty_and_no_other) {
  fs::create_directories(staging_dir + "/2026/11/19");
  StagingArea area = open();
  area.open_day(today);
  EXPECT_TRUE(exists(staging_dir + "/2026/11/20"));
  area.close_day();
  EXPECT_FALSE(exists(staging_dir + "/2026/11/20"));
  EXPECT_TRUE(exists(staging_dir + "/2026/11/19"));
}

TEST_F(StagingAreaTest, leaves_an_empty_day_that_it_did_not_make) {
  fs::create_directories(staging_dir + "/2026/11/20");
  StagingArea area = open();
  area.open_day(today);
  area.close_day();
  EXPECT_TRUE(exists(staging_dir + "/2026/11/20"));
}

TEST_F(StagingAreaTest, refuses_a_day_behind_a_symlink) {
  fs::create_directories(staging_dir);
  fs::create_directory(temporary / "elsewhere");
  fs::create_directory_symlink(temporary / "elsewhere", staging_dir + "/2026");
  StagingArea area = open();
  EXPECT_THROW(area.open_day(today), PeerError);
  EXPECT_EQ(tree_of(temporary / "elsewhere"), Tree{});
}

TEST_F(StagingAreaTest, marks_and_unmarks_the_day) {
  StagingArea area = open();
  area.open_day(today);
  EXPECT_FALSE(area.day_marked());
  area.mark_day();
  EXPECT_TRUE(area.day_marked());
  const Tree before = traces_of(staging_dir);
  area.mark_day();
  EXPECT_EQ(traces_of(staging_dir), before);
  EXPECT_EQ(tree_of(staging_dir + "/2026/11/20"), (Tree{{"cback.stage", "644 "}}));
  area.unmark_day();
  EXPECT_FALSE(area.day_marked());
  EXPECT_EQ(tree_of(staging_dir + "/2026/11/20"), Tree{});
}

TEST_F(StagingAreaTest, has_a_peer_only_when_we_published_it) {
  fs::create_directories(staging_dir + "/2026/11/20/empty");
  write_file(staging_dir + "/2026/11/20/web1/cback.sha256", "");
  write_file(staging_dir + "/2026/11/20/file", "");
  StagingArea area = open();
  area.open_day(today);
  EXPECT_TRUE(area.has_peer("web1"));
  EXPECT_FALSE(area.has_peer("empty"));
  EXPECT_FALSE(area.has_peer("file"));
  EXPECT_FALSE(area.has_peer("absent"));
}

TEST_F(StagingAreaTest, removes_unfinished_trees_in_any_day_and_spools_of_former_peers) {
  const std::string name(32, 'a');
  write_file(staging_dir + "/2025/01/02/cback.peerstage.old/x", "unfinished");
  write_file(staging_dir + "/2025/01/02/other/x", "data");
  write_file(staging_dir + "/.peerstage/old/publishing.2025-01-02", "");
  write_file(staging_dir + "/.peerstage/old/" + name, "partial");
  write_file(staging_dir + "/.peerstage/.marker", "");
  StagingArea area = open();
  area.remove_leftovers({"web1"}, observer);
  EXPECT_EQ(tree_of(staging_dir), (Tree{{".peerstage", tree_of(staging_dir).at(".peerstage")},
                                        {"2025", "755 directory"},
                                        {"2025/01", "755 directory"},
                                        {"2025/01/02", "755 directory"},
                                        {"2025/01/02/other", "755 directory"},
                                        {"2025/01/02/other/x", "644 data"}}));
}

TEST_F(StagingAreaTest, leaves_alone_what_is_not_provably_its_own) {
  write_file(temporary / "target", "precious");
  write_file(staging_dir + "/.peerstage/old/notes.txt", "somebody's");
  fs::create_symlink(temporary / "target", staging_dir + "/.peerstage/old/" + std::string(32, 'a'));
  write_file(staging_dir + "/.peerstage/old/publishing.2025-99-99", "");
  StagingArea area = open();
  area.remove_leftovers({}, observer);
  EXPECT_EQ(read_text(staging_dir + "/.peerstage/old/notes.txt"), "somebody's");
  EXPECT_TRUE(exists(staging_dir + "/.peerstage/old/" + std::string(32, 'a')));
  EXPECT_EQ(read_text(temporary / "target"), "precious");
  EXPECT_THAT(observer.events, Contains(HasSubstr("not ours")));
}

TEST_F(StagingAreaTest, keeps_a_configured_peers_transfer_of_this_boot_only) {
  const std::string spool = staging_dir + "/.peerstage/web1";
  std::string boot = read_text("/proc/sys/kernel/random/boot_id");
  boot.pop_back();
  write_file(spool + "/" + std::string(32, 'a'), "partial");
  write_file(spool + "/boot." + boot, "");
  open().remove_leftovers({"web1"}, observer);
  EXPECT_TRUE(exists(spool + "/" + std::string(32, 'a')));
  fs::rename(spool + "/boot." + boot, spool + "/boot.0");
  open().remove_leftovers({"web1"}, observer);
  EXPECT_EQ(tree_of(spool), Tree{});
}

// --- as root over a tree that somebody else owns ---

class StagingAreaAsRoot : public StagingAreaTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  static constexpr Ownership nobody{65534, 65533};
  static std::string owner_of(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return "absent";
    return std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid);
  }
};

TEST_F(StagingAreaAsRoot, new_directories_of_the_day_belong_to_the_backup_user) {
  write_file(staging_dir + "/2026/notes", "root's");
  StagingArea area = open(RunMode::real, nobody);
  ASSERT_TRUE(area.try_lock());
  area.open_day(today);
  area.mark_day();
  EXPECT_EQ(owner_of(staging_dir), "0:0");
  EXPECT_EQ(owner_of(staging_dir + "/2026"), "0:0");
  EXPECT_EQ(owner_of(staging_dir + "/2026/11"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/2026/11/20"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/2026/11/20/cback.stage"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/.peerstage"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/.peerstage/.lock"), "65534:65533");
}

TEST_F(StagingAreaAsRoot, directories_that_a_killed_run_did_not_hand_over_are_handed_over) {
  fs::create_directories(staging_dir + "/2026/11");
  fs::create_directories(staging_dir + "/.peerstage");
  ASSERT_EQ(::chown((staging_dir + "/2026").c_str(), nobody.uid, nobody.gid), 0);
  StagingArea area = open(RunMode::real, nobody);
  area.open_day(today);
  EXPECT_EQ(owner_of(staging_dir + "/2026/11"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/2026/11/20"), "65534:65533");
  EXPECT_EQ(owner_of(staging_dir + "/.peerstage"), "65534:65533");
}

/// Runs in children; the answer is how many of them failed.
template <typename Do>
int failures_of_many_at_once(int count, Do act) {
  int gate[2];
  if (::pipe(gate) != 0) return count;
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    ::close(gate[1]);
    char byte = 0;
    if (::read(gate[0], &byte, 1) != 0) ::_exit(2);  // opens for all when the parent closes its end
    try {
      act();
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  ::close(gate[0]);
  ::close(gate[1]);
  int failures = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failures += status != 0 ? 1 : 0;
  }
  return failures;
}

TEST_F(StagingAreaAsRoot, runs_that_begin_side_by_side_do_not_take_each_other_for_intruders) {
  fs::create_directories(staging_dir);
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(failures_of_many_at_once(8, [this] { open(RunMode::real, nobody).try_lock(); }), 0);
    ASSERT_EQ(owner_of(staging_dir + "/.peerstage"), "65534:65533");
    fs::remove_all(staging_dir + "/.peerstage");
  }
}

TEST_F(StagingAreaAsRoot, a_file_of_roots_in_the_place_of_the_lock_is_not_handed_over) {
  { open(RunMode::real, nobody); }
  const std::string lock = staging_dir + "/.peerstage/.lock";
  write_file(temporary / "linked", "");
  fs::create_hard_link(temporary / "linked", lock);
  EXPECT_THROW(open(RunMode::real, nobody).try_lock(), PeerError);
  EXPECT_EQ(owner_of(lock), "0:0");
  fs::remove(lock);
  write_file(lock, "moved here");
  EXPECT_THROW(open(RunMode::real, nobody).try_lock(), PeerError);
  EXPECT_EQ(owner_of(lock), "0:0");
}

TEST_F(StagingAreaAsRoot, a_directory_of_roots_in_the_place_of_ours_is_not_handed_over) {
  write_file(staging_dir + "/.peerstage/renamed", "root's");
  EXPECT_THROW(open(RunMode::real, nobody), PeerError);
  EXPECT_EQ(owner_of(staging_dir + "/.peerstage"), "0:0");
}

TEST_F(StagingAreaAsRoot, a_worker_that_became_the_backup_user_can_stage_and_clean_up) {
  fs::permissions(temporary.path(), fs::perms(0700));  // only descriptors lead there
  FakeConnection peer;
  peer.add_directory("/collect");
  peer.add_file("/collect/a", "alpha");
  peer.add_directory("/collect/sub");
  StageOptions options;
  options.minimum_free = config::ByteCount{0};
  StagingArea area = open(RunMode::real, nobody);
  area.open_day(today);
  PeerPlace place = area.place("web1");
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(nobody.gid) != 0 || ::setuid(nobody.uid) != 0) ::_exit(2);
    try {
      stage_tree(peer, "/collect", place, options, observer);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const std::string day = staging_dir + "/2026/11/20";
  EXPECT_EQ(without_manifest(tree_of(day + "/web1")), (Tree{{"a", "644 alpha"}, {"sub", "755 directory"}}));
  for (const char* path : {"/web1", "/web1/a", "/web1/sub", "/web1/cback.sha256"}) {
    EXPECT_EQ(owner_of(day + path), "65534:65533") << path;
  }
  EXPECT_FALSE(exists(staging_dir + "/.peerstage/web1"));
}

TEST_F(StagingAreaAsRoot, a_worker_that_stayed_root_hands_over_what_it_stages) {
  FakeConnection peer;
  peer.add_directory("/collect");
  peer.add_file("/collect/a", "alpha");
  peer.add_directory("/collect/sub");
  StageOptions options;
  options.minimum_free = config::ByteCount{0};
  StagingArea area = open(RunMode::real, nobody);
  area.open_day(today);
  PeerPlace place = area.place("web1");
  stage_tree(peer, "/collect", place, options, observer);
  for (const char* path : {"", "/web1", "/web1/a", "/web1/sub", "/web1/cback.sha256"}) {
    EXPECT_EQ(owner_of(staging_dir + "/2026/11/20" + path), "65534:65533") << path;
  }
}

}  // namespace
}  // namespace peerstage::peers::staging
