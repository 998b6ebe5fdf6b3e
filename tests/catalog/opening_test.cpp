#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <thread>

#include <gmock/gmock.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/catalog/catalog_session.h"
#include "some_runs.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Access = Catalog::Access;

class CatalogOpening : public ::testing::Test {
 protected:
  /// Names in the directory that begin like this.
  std::vector<std::string> names_like(const std::string& beginning) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(temporary.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(beginning)) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }
  std::string refusal(Access access) const {
    try {
      const Catalog catalog(path, access);
    } catch (const CatalogError& error) {
      return error.what();
    }
    return "was opened";
  }
  void execute(const std::string& statement) const {
    soci::session sql(soci::sqlite3, "dbname=\"" + path + "\"");
    sql << statement;
  }
  /// A catalog with one run and a few hundred files, all of it in the file itself.
  void fill() const {
    Catalog catalog(path, Access::read_write);
    catalog.begin_run(run_of("one", {"web1"}), {});
    catalog.begin_peer("one", "web1");
    std::vector<WorkFile> files;
    for (int i = 0; i < 300; ++i) files.push_back(file_of("file " + std::to_string(i)));
    catalog.add_files("one", "web1", files);
    catalog.end_peer("one", peer_of("web1", PeerStatus::staged, files.size()));
  }

  test::TemporaryDirectory temporary;
  std::string path = temporary / "catalog.db";
};

TEST_F(CatalogOpening, AMissingOneIsMadeForOwnerAndGroupWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  const Catalog catalog(path, Access::read_write);
  ::umask(before);
  EXPECT_THAT(catalog.was_begun_anew().value_or(""), HasSubstr(path + " did not exist"));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status {};
    ASSERT_EQ(::stat((path + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 07777U, 0640U) << suffix;
  }
}

TEST_F(CatalogOpening, OneThatIsThereIsGoneOnWith) {
  fill();
  const Catalog catalog(path, Access::read_write);
  EXPECT_EQ(catalog.was_begun_anew(), std::nullopt);
  EXPECT_EQ(catalog.files("web1", that_day)->size(), 300U);
}

TEST_F(CatalogOpening, ToBeReadItHasToExist) {
  EXPECT_EQ(refusal(Access::read_only),
            "there is no catalog " + path + " yet; the daemon makes it when it starts");
  EXPECT_THAT(names_like("catalog"), IsEmpty());
}

TEST_F(CatalogOpening, ALinkADirectoryAndAFileOfOthersAreRefused) {
  fs::create_symlink(temporary.write("elsewhere", ""), path);
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("is no regular file"));
  EXPECT_THAT(refusal(Access::read_only), HasSubstr("is no regular file"));
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("is no regular file"));
  fs::remove(path);
  fill();
  ::chmod(path.c_str(), 0660);
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("can be changed by others"));
  EXPECT_EQ(refusal(Access::read_only), "was opened");
}

TEST_F(CatalogOpening, ADirectoryWhereOthersCanReplaceItIsRefusedByRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ::chmod(temporary.path().c_str(), 0777);
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("writable by others than root"));
  EXPECT_THAT(names_like("catalog"), IsEmpty());
}

TEST_F(CatalogOpening, GarbageIsSetAsideAndBegunAnew) {
  temporary.write("catalog.db", std::string(10'000, 'x'));
  ::chmod(path.c_str(), 0640);
  const Catalog catalog(path, Access::read_write);
  EXPECT_THAT(catalog.was_begun_anew().value_or(""),
              HasSubstr("is torn, or no database at all; it was set aside as " + path + ".damaged-"));
  const auto aside = names_like("catalog.db.damaged-");
  ASSERT_EQ(aside.size(), 1U);
  EXPECT_EQ(test::read_text(temporary / aside[0]), std::string(10'000, 'x'));
  EXPECT_THAT(catalog.runs({}), IsEmpty());
}

TEST_F(CatalogOpening, TheDatabaseOfAnotherProgramIsSetAsideWithAllThatIsInIt) {
  execute("create table theirs (a integer)");
  ::chmod(path.c_str(), 0640);
  EXPECT_THAT(refusal(Access::read_only), HasSubstr("is a database of another program"));
  const Catalog catalog(path, Access::read_write);
  EXPECT_THAT(catalog.was_begun_anew().value_or(""), HasSubstr("is a database of another program"));
  soci::session sql(soci::sqlite3, "dbname=\"" + (temporary / names_like("catalog.db.damaged-")[0]) + "\"");
  int tables = 0;
  sql << "select count(*) from sqlite_master where name = 'theirs'", soci::into(tables);
  EXPECT_EQ(tables, 1);
}

TEST_F(CatalogOpening, ANewerOneIsLeftAlone) {
  fill();
  execute("pragma user_version = 999");
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("is of version 999, and this program knows"));
  EXPECT_THAT(refusal(Access::read_only), HasSubstr("is of version 999"));
  EXPECT_THAT(names_like("catalog.db.damaged"), IsEmpty());
}

TEST_F(CatalogOpening, OneOfAnOlderVersionIsBroughtUpToDateAndKeepsWhatItHolds) {
  const std::vector<Migration> old{{"create table thing (name text not null)"}};
  {
    CatalogSession session(path, Access::read_write, old);
    session.write([](soci::session& sql) { sql << "insert into thing (name) values ('kept')"; });
  }
  std::vector<Migration> next = old;
  next.push_back({"alter table thing add column size bigint not null default 7"});
  next.push_back({"create table other (a integer)", "insert into other (a) values (1)"});
  EXPECT_THROW(CatalogSession(path, Access::read_only, next), CatalogError);
  for (int again = 0; again < 2; ++again) {
    CatalogSession session(path, Access::read_write, next);
    const auto found = session.read([](soci::session& sql) {
      std::string name;
      int size = 0, others = 0, version = 0;
      sql << "select name, size from thing", soci::into(name), soci::into(size);
      sql << "select count(*) from other", soci::into(others);
      sql << "pragma user_version", soci::into(version);
      return std::vector<std::string>{name, std::to_string(size), std::to_string(others),
                                      std::to_string(version)};
    });
    EXPECT_THAT(found, ElementsAre("kept", "7", "1", "3"));
  }
}

TEST_F(CatalogOpening, AMigrationThatFailsLeavesTheOlderVersion) {
  const std::vector<Migration> old{{"create table thing (name text not null)"}};
  { const CatalogSession session(path, Access::read_write, old); }
  std::vector<Migration> wrong = old;
  wrong.push_back({"create table other (a integer)", "no sql"});
  EXPECT_THROW(CatalogSession(path, Access::read_write, wrong), CatalogError);
  wrong.back() = {"create table other (a integer)"};
  const CatalogSession session(path, Access::read_write, wrong);
}

TEST_F(CatalogOpening, TheFirstVersionAsItWasReleasedIsUnderstood) {
  { const CatalogSession session(path, Access::read_write, {migrations().front()}); }
  Catalog catalog(path, Access::read_write);
  EXPECT_EQ(catalog.was_begun_anew(), std::nullopt);
  record(catalog, run_of("one", {"web1"}), {peer_of("web1", PeerStatus::staged)});
  EXPECT_EQ(catalog.runs({}).size(), 1U);
}

/// Whatever length a crash or a full disk left of the file: it opens, as it was or begun anew, and works.
TEST_F(CatalogOpening, AFileCutOffAnywhereOpensAndWorks) {
  fill();
  const auto whole = test::read_text(path);
  fs::remove(path + "-wal");
  fs::remove(path + "-shm");
  std::vector<std::size_t> lengths{0, 1, 15, 16, 17, 99, 100, 101, 511, 512, 4095, 4096, 4097};
  for (std::size_t length = 1'000; length < whole.size(); length += 1'777) lengths.push_back(length);
  std::size_t begun_anew = 0;
  for (const std::size_t length : lengths) {
    test::write_file(path, whole.substr(0, length));
    ::chmod(path.c_str(), 0640);
    Catalog catalog(path, Access::read_write);
    if (catalog.was_begun_anew()) ++begun_anew;
    record(catalog, run_of("two", {"web1"}), {peer_of("web1", PeerStatus::staged)});
    EXPECT_TRUE(catalog.run("two")) << length;
  }
  // An empty file is a new one, and of the last page a part may be free.
  EXPECT_GE(begun_anew, lengths.size() - 4);
}

TEST_F(CatalogOpening, DamageInTheMiddleIsFoundAtTheOpening) {
  fill();
  std::string bytes = test::read_text(path);
  for (std::size_t at = 4096; at < bytes.size(); at += 4096) bytes.replace(at, 64, 64, '\xa5');
  test::write_file(path, bytes);
  Catalog catalog(path, Access::read_write);
  EXPECT_TRUE(catalog.was_begun_anew());
  EXPECT_THAT(catalog.runs({}), IsEmpty());
}

TEST_F(CatalogOpening, ALogThatIsGarbageIsNotBelieved) {
  fill();
  test::write_file(path + "-wal", std::string(50'000, '\x5a'));
  Catalog catalog(path, Access::read_write);
  EXPECT_EQ(catalog.was_begun_anew(), std::nullopt);
  EXPECT_EQ(catalog.files("web1", that_day)->size(), 300U);
}

TEST_F(CatalogOpening, TwoCanBeOpenAtOnceAndSeeEachOther) {
  Catalog first(path, Access::read_write), second(path, Access::read_write);
  first.begin_run(run_of("one", {"web1"}), {});
  second.begin_peer("one", "web1");
  second.end_peer("one", peer_of("web1", PeerStatus::staged));
  EXPECT_EQ(first.run("one")->report.peers[0].status, PeerStatus::staged);
}

TEST_F(CatalogOpening, AnotherWriterIsWaitedForASecondAndThenNamed) {
  Catalog catalog(path, Access::read_write);
  soci::session other(soci::sqlite3, "dbname=\"" + path + "\"");
  other << "begin immediate";
  const auto before = std::chrono::steady_clock::now();
  try {
    catalog.set_paused(true);
    FAIL() << "wrote beside another writer";
  } catch (const CatalogError& error) {
    EXPECT_EQ(std::string(error.what()),
              "cannot write the catalog " + path + ": another program has held it for more than a second");
  }
  const auto waited = std::chrono::steady_clock::now() - before;
  EXPECT_GE(waited, std::chrono::milliseconds(900));
  EXPECT_LT(waited, std::chrono::seconds(5));
  EXPECT_FALSE(catalog.paused());  // who reads does not wait
  other << "rollback";
  catalog.set_paused(true);
}

TEST_F(CatalogOpening, ManyProcessesWriteAtOnceAndNothingIsLost) {
  { const Catalog made(path, Access::read_write); }
  std::vector<pid_t> children;
  for (int child = 0; child < 4; ++child) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    try {
      Catalog catalog(path, Access::read_write);
      for (int i = 0; i < 25; ++i) {
        record(catalog, run_of(std::to_string(child) + "." + std::to_string(i), {"web1"}),
               {peer_of("web1", PeerStatus::staged)});
      }
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const Catalog catalog(path, Access::read_only);
  EXPECT_EQ(catalog.runs({std::nullopt, std::nullopt, 1000}).size(), 100U);
}

/// Writes days of one peer for ever, each with 3,000 files in three batches.
[[noreturn]] void write_for_ever(const std::string& path) {
  try {
    Catalog catalog(path, Access::read_write);
    for (int run = 0;; ++run) {
      RunReport report = run_of("run " + std::to_string(run) + " of " + std::to_string(::getpid()), {"web1"});
      catalog.begin_run(report, {});
      catalog.begin_peer(report.id, "web1");
      std::vector<WorkFile> files;
      for (int i = 0; i < 1000; ++i)
        files.push_back(file_of("x" + std::to_string(i), 1 + static_cast<unsigned>(run) % 200));
      for (int batch = 0; batch < 3; ++batch) {
        for (WorkFile& file : files) file.name += "y";
        catalog.add_files(report.id, "web1", files);
      }
      report.peers = {peer_of("web1", PeerStatus::staged, 3000)};
      catalog.end_peer(report.id, report.peers[0]);
      catalog.end_run(report);
    }
  } catch (...) {
    ::_exit(1);
  }
}

TEST_F(CatalogOpening, AfterAKillAtAnyMomentThereAreOnlyWholePeers) {
  { const Catalog made(path, Access::read_write); }
  std::mt19937 random(4711);
  for (int round = 0; round < 25; ++round) {
    const pid_t writer = ::fork();
    if (writer == 0) write_for_ever(path);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    ::kill(writer, SIGKILL);
    int status = 0;
    ::waitpid(writer, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));

    Catalog catalog(path, Access::read_write);
    ASSERT_EQ(catalog.was_begun_anew(), std::nullopt);
    if (const auto files = catalog.files("web1", that_day)) {
      ASSERT_EQ(files->size(), 3000U);
      EXPECT_TRUE(
          std::ranges::all_of(*files, [&](const WorkFile& f) { return f.size == files->front().size; }));
    }
    const auto unfinished = catalog.unfinished_runs();
    ASSERT_LE(unfinished.size(), 1U);
    for (const CatalogedRun& run : unfinished) catalog.end_run(run.report);
  }
  EXPECT_GT(Catalog(path, Access::read_only).runs({}).size(), 3U);
}

// --- disks that do not take it

/// Runs in a child process, which may become another user.
void in_child(const std::function<void()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    act();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

class CatalogOnASmallDisk : public CatalogOpening {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to mount a small tmpfs";
    fs::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m,mode=0755") != 0)
      GTEST_SKIP() << "no tmpfs can be mounted here";
    mounted = true;
    path = disk + "/catalog.db";
  }
  void TearDown() override {
    if (mounted) ::umount2(disk.c_str(), MNT_DETACH);
  }

  std::string disk = temporary / "disk";
  bool mounted = false;
};

TEST_F(CatalogOnASmallDisk, AFullDiskIsNamedAndLosesNothing) {
  Catalog catalog(path, Access::read_write);
  record(catalog, run_of("one", {"web1"}), {peer_of("web1", PeerStatus::staged)});
  catalog.begin_run(run_of("two", {"web1"}), {});
  std::string message;
  for (int batch = 0; batch < 100 && message.empty(); ++batch) {
    std::vector<WorkFile> files;
    for (int i = 0; i < 1000; ++i) files.push_back(file_of(std::to_string(batch * 1000 + i)));
    try {
      catalog.add_files("two", "web1", files);
    } catch (const CatalogError& error) {
      message = error.what();
    }
  }
  EXPECT_EQ(message, "cannot write the catalog " + path + ": the disk is full");
  EXPECT_EQ(catalog.runs({}).size(), 2U);
  const Catalog again(path, Access::read_only);
  EXPECT_EQ(again.run("one")->report.peers[0].status, PeerStatus::staged);
}

TEST_F(CatalogOnASmallDisk, AReadOnlyDiskCanBeReadAndSaysWhyItIsNotWritten) {
  {
    Catalog catalog(path, Access::read_write);
    record(catalog, run_of("one", {"web1"}), {peer_of("web1", PeerStatus::staged)});
  }
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(refusal(Access::read_write), HasSubstr("its file system is read-only"));
  EXPECT_EQ(Catalog(path, Access::read_only).runs({}).size(), 1U);
}

TEST_F(CatalogOpening, AMemberOfTheGroupReadsItWhileNobodyWritesAndWithoutMakingFiles) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  const gid_t group = 12345;
  ::chmod(temporary.path().c_str(), 0755);
  std::optional<Catalog> daemon(std::in_place, path, Access::read_write);
  record(*daemon, run_of("one", {"web1"}), {peer_of("web1", PeerStatus::staged)});
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(::chown((path + suffix).c_str(), 0, group), 0);
  }
  const auto read_as = [&](gid_t of_group) {
    in_child([&] {
      ASSERT_EQ(::setgid(of_group), 0);
      ASSERT_EQ(::setgroups(0, nullptr), 0);
      ASSERT_EQ(::setuid(65534), 0);
      if (of_group == group) {
        EXPECT_EQ(Catalog(path, Access::read_only).runs({}).size(), 1U);
      } else {
        EXPECT_THAT(refusal(Access::read_only), HasSubstr("cannot be opened or made by this user"));
      }
      EXPECT_THAT(refusal(Access::read_write), HasSubstr(path));
    });
  };
  daemon.reset();
  read_as(group);
  read_as(65534);
}

TEST_F(CatalogOpening, ACatalogOfBeforeThereWereActionsKeepsItsRunsAndTakesActions) {
  {
    const CatalogSession session(path, Access::read_write, {migrations().front()});
    execute(
        "insert into run values (1, 'old', 'stage', '2026-11-19', '/s', 1, 2, 1, 0, 0, null, null, 'nightly',"
        " 'schedule', null, 0)");
    execute(
        "insert into run_peer values (1, 'web1', 0, 1, 'done', 'remote', 'staged', 1, 1, 0, 1, 5, 0, null, "
        "null)");
  }
  Catalog catalog(path, Access::read_write);
  EXPECT_FALSE(catalog.was_begun_anew());
  ASSERT_TRUE(catalog.run("old"));
  EXPECT_THAT(catalog.run("old")->report.peers.at(0).actions, IsEmpty());
  ActionReport collect;
  collect.action = "collect";
  catalog.record_action("old", "web1", collect);
  EXPECT_EQ(catalog.run("old")->report.peers.at(0).actions.at(0).action, "collect");
}

}  // namespace
}  // namespace peerstage::daemon
