#include "peers/purge/purge.h"

#include <atomic>
#include <sched.h>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "purge_fixture.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::purge {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Names = std::set<std::string>;

TEST_F(PurgeTest, removes_what_is_old_and_counts_it) {
  file("old", 8 * day, "12345");
  file("new", 6 * day);
  file("below/old", 8 * day, "123");
  file("below/new", 1 * day);
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), (Names{"new", "below", "below/new"}));
  const DirectoryReport& found = report.directories.at(0);
  EXPECT_EQ(found.path, top);
  EXPECT_EQ(found.files, 2U);
  EXPECT_EQ(found.bytes, 8U);
  EXPECT_EQ(found.directories, 0U);
  EXPECT_THAT(found.failures, IsEmpty());
  EXPECT_FALSE(report.cancelled);
  EXPECT_THAT(observer.removals,
              UnorderedElementsAre("removed the file " + top + "/old, 8 days old, 5 bytes",
                                   "removed the file " + top + "/below/old, 8 days old, 3 bytes"));
}

TEST_F(PurgeTest, removes_a_chain_of_directories_that_it_emptied_in_one_run) {
  file("2026/11/01/web1/etc.tar", 30 * day);
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), Names{});
  EXPECT_TRUE(fs::exists(top));
  EXPECT_EQ(report.directories.at(0).directories, 4U);
}

TEST_F(PurgeTest, leaves_an_empty_directory_that_is_young) {
  directory("made/just", 1s);
  set_age(top + "/made", 30 * day);
  directory("old", 7 * day);
  directory("almost", 7 * day - 1s);
  run(7);
  EXPECT_EQ(tree(), (Names{"made", "made/just", "almost"}));
}

TEST_F(PurgeTest, counts_the_age_of_a_directory_from_its_mtime_alone) {
  directory("listed", 8 * day);
  set_times(top + "/listed", now, now - 8 * day);
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(PurgeTest, removes_a_young_directory_that_it_emptied) {
  file("written/today", 8 * day);
  set_age(top + "/written", 0s);
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(PurgeTest, removes_a_chain_of_old_empty_directories) {
  fs::create_directories(top + "/a/b/c");
  for (const char* name : {"/a", "/a/b", "/a/b/c"}) set_age(top + name, 9 * day);
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(PurgeTest, follows_no_symlink) {
  const std::string precious = temporary.write("elsewhere/precious", "p");
  set_times(precious, now - 90 * day, now - 90 * day);
  fs::create_directory_symlink(temporary / "elsewhere", top + "/to directory");
  fs::create_symlink(precious, top + "/to file");
  for (const char* name : {"/to directory", "/to file"}) set_age(top + name, 8 * day);
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), Names{});
  EXPECT_EQ(report.directories.at(0).files, 2U);
  EXPECT_EQ(report.directories.at(0).bytes, 0U);
  EXPECT_TRUE(fs::exists(precious));
}

TEST_F(PurgeTest, removes_links_whose_target_went_first) {
  for (int i = 0; i < 20; ++i) {
    const std::string number = std::to_string(i);
    file("target" + number, 8 * day);
    fs::create_symlink("target" + number, top + "/link" + number);
    set_age(top + "/link" + number, 8 * day);
  }
  run(7);
  EXPECT_EQ(tree(), Names{});
}

TEST_F(PurgeTest, removes_fifos_and_sockets_by_age) {
  for (const char* age : {"old", "new"}) {
    const std::string fifo = top + "/fifo-" + age;
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (top + "/sock-" + age).copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    for (const char* kind : {"/fifo-", "/sock-"}) set_age(top + kind + age, (age[0] == 'o' ? 8 : 6) * day);
  }
  run(7);
  EXPECT_EQ(tree(), (Names{"fifo-new", "sock-new"}));
}

TEST_F(PurgeTest, never_removes_a_device) {
  if (::mknod((top + "/null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) GTEST_SKIP() << "needs root";
  set_age(top + "/null", 90 * day);
  run(0);
  EXPECT_EQ(tree(), Names{"null"});
}

TEST_F(PurgeTest, goes_on_after_a_directory_that_is_missing) {
  file("old", 8 * day);
  const std::string a_file = temporary.write("file", "f");
  const PurgeReport report = run({{temporary / "missing", 7}, {a_file, 0}, {top, 7}});
  EXPECT_EQ(tree(), Names{});
  ASSERT_EQ(report.directories.size(), 3U);
  EXPECT_THAT(report.directories[0].failures,
              ElementsAre(AllOf(HasSubstr(temporary / "missing"), HasSubstr("No such file"))));
  EXPECT_THAT(report.directories[1].failures, ElementsAre(HasSubstr("Not a directory")));
  EXPECT_TRUE(fs::exists(a_file));
  EXPECT_THAT(report.directories[2].failures, IsEmpty());
  EXPECT_EQ(observer.errors.size(), 2U);
}

TEST_F(PurgeTest, accepts_a_configured_symlink_to_a_directory) {
  file("old", 8 * day);
  fs::create_directory_symlink(top, temporary / "alias");
  run({{temporary / "alias/", 7}});
  EXPECT_EQ(tree(), Names{});
  EXPECT_TRUE(fs::is_symlink(temporary / "alias"));
  EXPECT_THAT(observer.removals, ElementsAre(HasSubstr(temporary / "alias/old")));
}

TEST_F(PurgeTest, keeps_directories_that_are_configured_even_when_they_are_empty) {
  for (const char* name : {"collect", "staging", "work", "other", "gone"}) directory(name, 90 * day);
  options.collect_dirs = {top + "/collect"};
  options.staging_dir = top + "/staging";
  options.lasting = {top + "/work"};
  run({{top, 7}, {top + "/other", 7}});
  EXPECT_EQ(tree(), (Names{"collect", "staging", "work", "other"}));
}

TEST_F(PurgeTest, in_a_dry_run_lists_and_changes_nothing) {
  file("2026/11/old", 8 * day, "123");
  file("new", 1 * day);
  directory("empty", 8 * day);
  options.dry_run = true;
  const Names before = tree();
  const fs::file_time_type modified = fs::last_write_time(top + "/2026");
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), before);
  EXPECT_EQ(fs::last_write_time(top + "/2026"), modified);
  const DirectoryReport& found = report.directories.at(0);
  std::set<std::string> paths;
  for (const Removal& removal : found.removals)
    paths.insert(std::string(to_string(removal.kind)) + " " + removal.path);
  EXPECT_EQ(paths, (std::set<std::string>{"file " + top + "/2026/11/old", "directory " + top + "/2026/11",
                                          "directory " + top + "/2026", "directory " + top + "/empty"}));
  EXPECT_EQ(found.files, 1U);
  EXPECT_EQ(found.bytes, 3U);
  EXPECT_EQ(found.directories, 3U);
  EXPECT_THAT(observer.removals,
              Contains("would remove the file " + top + "/2026/11/old, 8 days old, 3 bytes"));
  options.dry_run = false;
  EXPECT_EQ(run(7).directories.at(0).directories, 3U);
  EXPECT_EQ(tree(), Names{"new"});
}

TEST_F(PurgeTest, ends_when_it_is_cancelled) {
  for (int i = 0; i < 10; ++i) file(std::to_string(i), 8 * day);
  int asked = 0;
  options.cancelled = [&asked] { return ++asked > 4; };
  const PurgeReport report = run({{top, 7}, {top, 7}});
  EXPECT_TRUE(report.cancelled);
  EXPECT_EQ(report.directories.size(), 1U);
  EXPECT_EQ(report.directories[0].files, 4U);
  EXPECT_EQ(tree().size(), 6U);
}

TEST_F(PurgeTest, names_with_any_bytes_are_told_printably) {
  const std::string name = std::string("a\nb\xff") + "\x1b[2J";
  file(name, 8 * day);
  run(7);
  EXPECT_EQ(tree(), Names{});
  EXPECT_THAT(observer.removals, ElementsAre(HasSubstr("a\\x0ab\\xff\\x1b[2J")));
}

TEST_F(PurgeTest, tells_what_it_could_not_remove_and_goes_on) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may remove everything";
  for (int i = 0; i < 120; ++i) file("fixed/" + std::to_string(i), 8 * day);
  file("free", 8 * day);
  fs::permissions(top + "/fixed", fs::perms::owner_read | fs::perms::owner_exec);
  const PurgeReport report = run(7);
  EXPECT_EQ(tree().size(), 121U);
  const DirectoryReport& found = report.directories.at(0);
  EXPECT_EQ(found.files, 1U);
  EXPECT_EQ(found.failures.size(), 100U);
  EXPECT_EQ(found.more_failures, 20U);
  EXPECT_EQ(observer.errors.size(), 120U);
  EXPECT_THAT(observer.errors[0], AllOf(HasSubstr(top + "/fixed/"), HasSubstr("Permission denied")));
}

TEST_F(PurgeTest, does_not_change_access_times) {
  const std::string kept = file("inside/kept", 1 * day);
  set_times(top + "/inside", now - 9 * day, now - 9 * day);
  run(7);
  struct stat status {};
  ASSERT_EQ(::stat((top + "/inside").c_str(), &status), 0);
  EXPECT_EQ(status.st_atim.tv_sec, as_timespec(now - 9 * day).tv_sec);
  ASSERT_EQ(::stat(kept.c_str(), &status), 0);
  EXPECT_EQ(status.st_atim.tv_sec, as_timespec(now - 1 * day).tv_sec);
}

TEST_F(PurgeTest, stops_above_trees_that_are_too_deep_and_says_so) {
  std::string path = top;
  std::vector<int> open{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  for (int level = 0; level < 700; ++level) {
    ASSERT_EQ(::mkdirat(open.back(), "d", 0755), 0);
    const int next = ::openat(open.back(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ::close(open.back());
    open.back() = next;
  }
  ::close(open.back());
  const PurgeReport report = run(0);
  EXPECT_THAT(report.directories.at(0).failures, ElementsAre(HasSubstr("deeper than 500")));
}

/// A mount that nobody but this process sees, so that nothing of it can stay.
class Mounted {
 public:
  Mounted(const std::string& source, const std::string& place, const char* type, unsigned long flags)
      : place_(place),
        done_(::unshare(CLONE_NEWNS) == 0 &&
              ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              ::mount(source.c_str(), place.c_str(), type, flags, nullptr) == 0) {}
  ~Mounted() {
    if (done_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  explicit operator bool() const { return done_; }

 private:
  std::string place_;
  bool done_;
};

TEST_F(PurgeTest, leaves_other_file_systems_alone) {
  directory("other", 9 * day);
  const Mounted other("tmpfs", top + "/other", "tmpfs", 0);
  if (!other) GTEST_SKIP() << "needs the right to mount";
  file("other/old", 9 * day);
  file("old", 9 * day);
  const PurgeReport report = run(7);
  EXPECT_EQ(tree(), (Names{"other", "other/old"}));
  EXPECT_THAT(report.directories.at(0).failures, IsEmpty());
  EXPECT_THAT(observer.warnings, ElementsAre(AllOf(HasSubstr(top + "/other"), HasSubstr("file system"))));
}

TEST_F(PurgeTest, leaves_a_second_mount_of_the_same_file_system_alone) {
  fs::create_directory(temporary / "elsewhere");
  directory("other", 9 * day);
  const Mounted other(temporary / "elsewhere", top + "/other", nullptr, MS_BIND);
  if (!other) GTEST_SKIP() << "needs the right to mount";
  file("other/old", 9 * day);
  run(7);
  EXPECT_EQ(tree(), (Names{"other", "other/old"}));
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("file system")));
}

TEST_F(PurgeTest, purges_a_configured_directory_that_is_a_mount) {
  const Mounted other("tmpfs", top, "tmpfs", 0);
  if (!other) GTEST_SKIP() << "needs the right to mount";
  file("old", 9 * day);
  run(7);
  EXPECT_EQ(tree(), Names{});
}

/// While one directory is purged, somebody puts a link in the place of the next.
TEST_F(PurgeTest, does_not_enter_a_link_that_took_the_place_of_a_directory) {
  const std::string precious = temporary.write("elsewhere/precious", "p");
  for (const char* name : {"a", "b"}) file(std::string(name) + "/old", 9 * day);
  set_times(precious, now - 90 * day, now - 90 * day);
  observer.on_event = [&](const std::string& text) {
    const bool was_a = text.find("/a/old") != std::string::npos;
    const bool was_b = text.find("/b/old") != std::string::npos;
    if (!was_a && !was_b) return;
    const std::string next = top + (was_a ? "/b" : "/a");
    observer.on_event = nullptr;
    fs::remove_all(next);
    fs::create_directory_symlink(temporary / "elsewhere", next);
  };
  run(7);
  EXPECT_TRUE(fs::exists(precious));
}

TEST_F(PurgeTest, stays_inside_while_somebody_swaps_directories_and_links) {
  const std::string precious = temporary.write("elsewhere/precious", "p");
  set_times(precious, now - 90 * day, now - 90 * day);
  fs::create_directory_symlink(temporary / "elsewhere", temporary / "link");
  fs::create_directory(temporary / "parked");
  std::atomic<bool> is_over{false};
  std::atomic<unsigned> swaps{0};
  std::thread enemy([&] {
    while (!is_over) {
      if (::renameat2(AT_FDCWD, (top + "/flip").c_str(), AT_FDCWD, (temporary / "link").c_str(),
                      RENAME_EXCHANGE) == 0)
        ++swaps;
    }
  });
  // What was swapped out lies at "link"; the purge must never reach what the link means.
  for (int round = 0; round < 500; ++round) {
    ::mkdir((top + "/flip").c_str(), 0755);
    const std::string inside = top + "/flip/old";
    const int made = ::open(inside.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (made >= 0) ::close(made);
    run(1);
  }
  is_over = true;
  enemy.join();
  EXPECT_GT(swaps, 0U);
  EXPECT_TRUE(fs::exists(precious));
}

}  // namespace
}  // namespace peerstage::peers::purge
