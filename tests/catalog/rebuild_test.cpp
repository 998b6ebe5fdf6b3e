#include "daemon/catalog/rebuild.h"

#include <csignal>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/staging/hash.h"
#include "peers/staging/manifest.h"
#include "peers/staging/source_tag.h"
#include "some_runs.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

namespace fs = std::filesystem;
using peers::staging::Digest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Digest sum(const std::string& content) {
  peers::staging::Sha256 hash;
  hash.add(content);
  return hash.finish();
}

class Rebuilding : public ::testing::Test {
 protected:
  /// A day of a peer as staging leaves it: names and contents.
  void stage(const std::string& day, const std::map<std::string, std::string>& files) {
    std::string manifest;
    for (const auto& [name, content] : files) {
      temporary.write("staging/" + day + "/" + name, content);
      manifest += peers::staging::manifest_line(name, sum(content));
    }
    temporary.write("staging/" + day + "/cback.sha256", manifest);
  }
  void tag(const std::string& file, std::chrono::seconds modified) {
    const peers::Descriptor opened(::open((staging / file).c_str(), O_RDWR | O_CLOEXEC));
    peers::staging::write_tag(opened.get(), {1, modified, Digest{}});
  }
  void publish_at(const std::string& day, std::chrono::system_clock::time_point when) {
    const timespec time{std::chrono::system_clock::to_time_t(when), 0};
    const timespec both[] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, (staging / day / "cback.sha256").c_str(), both, 0), 0);
  }
  RebuildReport rebuild() { return rebuild_catalog(catalog, staging.string()); }
  std::vector<std::string> names(const std::string& peer) {
    std::vector<std::string> found;
    for (const WorkFile& file : catalog.files(peer, that_day).value_or(std::vector<WorkFile>{}))
      found.push_back(file.name);
    return found;
  }

  test::TemporaryDirectory temporary;
  fs::path staging = temporary.path() / "staging";
  std::string path = temporary / "catalog.db";
  Catalog catalog{path, Catalog::Access::read_write};
};

TEST_F(Rebuilding, EachDayOnTheDiskBecomesARunOfItsOwn) {
  stage("2026/11/20/web1", {{"a", "alpha"}, {"sub/\xff", "beta"}});
  stage("2026/11/20/web2", {{"cback.collect", ""}});
  stage("2026/11/19/web1", {{"a", "alpha"}});
  tag("2026/11/20/web1/a", std::chrono::seconds(1'700'000'000));
  publish_at("2026/11/20/web1", at_hour(2));
  publish_at("2026/11/20/web2", at_hour(3));
  publish_at("2026/11/19/web1", at_hour(-20));

  const RebuildReport report = rebuild();
  EXPECT_EQ(report.peer_days, 3U);
  EXPECT_EQ(report.files, 4U);
  EXPECT_THAT(report.problems, IsEmpty());

  EXPECT_THAT(catalog.runs({}), SizeIs(2));
  const auto run = catalog.run("rebuilt-2026-11-20");
  ASSERT_TRUE(run);
  EXPECT_EQ(run->origin.trigger, RunTrigger::rebuilt);
  EXPECT_TRUE(run->over);
  EXPECT_EQ(run->report.date, that_day);
  EXPECT_EQ(run->report.daily_dir, staging.string() + "/2026/11/20");
  EXPECT_EQ(run->report.started, at_hour(2));
  EXPECT_EQ(run->report.finished, at_hour(3));
  EXPECT_EQ(status(run->report), RunStatus::ok);
  ASSERT_THAT(run->report.peers, SizeIs(2));
  EXPECT_EQ(run->report.peers[0].files, 2U);
  EXPECT_EQ(run->report.peers[0].bytes, 9U);

  const auto files = catalog.files("web1", that_day);
  EXPECT_EQ(files, (std::vector<WorkFile>{{"a", 5, sum("alpha").bytes, 1'700'000'000},
                                          {"sub/\xff", 4, sum("beta").bytes, 0}}));
  EXPECT_EQ(catalog.peers().at(0).last_good, at_hour(3));
}

TEST_F(Rebuilding, ASecondTimeAddsNothing) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  rebuild();
  EXPECT_EQ(rebuild().peer_days, 0U);
  EXPECT_THAT(catalog.runs({}), SizeIs(1));
  stage("2026/11/20/web2", {{"b", "beta"}});
  EXPECT_EQ(rebuild().peer_days, 1U);
  EXPECT_THAT(catalog.run("rebuilt-2026-11-20")->report.peers, SizeIs(2));
}

TEST_F(Rebuilding, FilesThatACrashMadeDoubtfulComeBackToTheirRun) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  RunReport report = run_of("one", {"web1"});
  catalog.begin_run(report, {});
  catalog.begin_peer("one", "web1");
  catalog.interrupt_run("one", {at_hour(3), RunInterruption::Cause::crash});
  catalog.begin_run(report, {});
  catalog.end_peer("one", peer_of("web1", PeerStatus::unchanged, 1, 5));
  EXPECT_THAT(names("web1"), IsEmpty());
  rebuild();
  EXPECT_THAT(names("web1"), ElementsAre("a"));
  EXPECT_THAT(catalog.runs({}), SizeIs(1));
  EXPECT_EQ(catalog.run("one")->report.peers[0].status, PeerStatus::unchanged);
}

TEST_F(Rebuilding, WhatARunThatGoesOnHasJustPublishedIsLeftToIt) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  stage("2026/11/20/web2", {{"b", "beta"}});
  catalog.begin_run(run_of("one", {"web1"}), {});
  catalog.begin_peer("one", "web1");
  EXPECT_EQ(rebuild().peer_days, 1U);
  EXPECT_THAT(names("web1"), IsEmpty());
  EXPECT_THAT(names("web2"), ElementsAre("b"));
  EXPECT_THAT(catalog.run("rebuilt-2026-11-20")->report.peers, SizeIs(1));
}

TEST_F(Rebuilding, WhatCannotBeReadIsToldAndHidesNothingElse) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  stage("2026/11/20/web2", {{"a", "alpha"}});
  temporary.write("staging/2026/11/20/web2/cback.sha256", "no sum at all\n");
  temporary.write("staging/2026/11/20/web3/cback.sha256",
                  std::string(64, '0') + "  ../../../../etc/passwd\n");
  temporary.write("staging/2026/11/20/web4/a", "not published by us");
  temporary.write("staging/2026/11/20/a file", "");
  temporary.write("staging/2026/11/20/cback.stage", "");
  temporary.write("staging/2026/13/20/web5/cback.sha256", "");
  temporary.write("staging/other/11/20/web5/cback.sha256", "");
  fs::create_directory_symlink(staging / "2026/11/20/web1", staging / "2026/11/20/web6");
  fs::create_directory_symlink(staging / "2026/11", staging / "2026/12");

  const RebuildReport report = rebuild();
  EXPECT_EQ(report.peer_days, 1U);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("2026/12"), HasSubstr("web2/cback.sha256"),
                                           HasSubstr("web3/cback.sha256")));
  EXPECT_EQ(catalog.days(), (std::vector<CatalogedDay>{{"web1", that_day, 1}}));
  EXPECT_THAT(catalog.run("rebuilt-2026-11-20")->report.peers, SizeIs(1));
}

TEST_F(Rebuilding, AMissingStagingDirectoryIsAProblemAndNoMore) {
  EXPECT_THAT(rebuild().problems, ElementsAre(HasSubstr("staging")));
}

TEST_F(Rebuilding, KilledAnywhereItIsGoneOnWithUntilAllIsThere) {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 1'500; ++i) files["file " + std::to_string(i)] = "x";
  for (const char* day : {"2026/11/18/web1", "2026/11/19/web1", "2026/11/20/web1", "2026/11/20/web2"})
    stage(day, files);
  catalog = Catalog(temporary / "unused.db", Catalog::Access::read_write);  // none of this file at the forks
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      Catalog own(path, Catalog::Access::read_write);
      rebuild_catalog(own, staging.string());
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + 7 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Catalog own(path, Catalog::Access::read_write);
    for (const CatalogedDay& day : own.days()) EXPECT_EQ(day.files, 1'500U);
    EXPECT_THAT(own.unfinished_runs(), IsEmpty());
  }
  Catalog own(path, Catalog::Access::read_write);
  EXPECT_THAT(rebuild_catalog(own, staging.string()).problems, IsEmpty());
  EXPECT_THAT(own.days(), SizeIs(4));
  EXPECT_THAT(own.runs({}), SizeIs(3));
}

TEST_F(Rebuilding, DaysThatAreGoneFromTheDiskAreForgotten) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  stage("2026/11/20/web2", {{"a", "alpha"}});
  stage("2024/01/01/web1", {{"a", "alpha"}});
  publish_at("2024/01/01/web1", std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
  rebuild();
  fs::remove_all(staging / "2026/11/20/web2");
  fs::remove_all(staging / "2024");
  EXPECT_EQ(tidy_catalog(catalog, staging.string(), at_hour(0)), 2U);
  EXPECT_EQ(catalog.days(), (std::vector<CatalogedDay>{{"web1", that_day, 1}}));
  EXPECT_THAT(catalog.runs({}), SizeIs(1));
}

TEST_F(Rebuilding, NothingIsForgottenWhenTheDiskIsAbsent) {
  stage("2026/11/20/web1", {{"a", "alpha"}});
  rebuild();
  fs::rename(staging, temporary.path() / "unmounted");
  EXPECT_EQ(tidy_catalog(catalog, staging.string(), at_hour(0)), 0U);
  fs::create_directory(staging);
  EXPECT_EQ(tidy_catalog(catalog, staging.string(), at_hour(0)), 0U);
  EXPECT_THAT(names("web1"), ElementsAre("a"));
}

}  // namespace
}  // namespace peerstage::daemon
