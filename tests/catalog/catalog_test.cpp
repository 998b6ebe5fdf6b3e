#include "daemon/catalog/catalog.h"

#include <gmock/gmock.h>

#include "some_runs.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CatalogOfRuns : public ::testing::Test {
 protected:
  std::vector<std::string> ids(const HistoryQuery& query) {
    std::vector<std::string> found;
    for (const CatalogedRun& run : catalog.runs(query)) found.push_back(run.report.id);
    return found;
  }
  PeerHistory history_of(const std::string& peer) {
    for (PeerHistory& history : histories = catalog.peers())
      if (history.name == peer) return history;
    return {};
  }

  test::TemporaryDirectory temporary;
  std::string path = temporary / "catalog.db";
  Catalog catalog{path, Catalog::Access::read_write};
  std::vector<PeerHistory> histories;
};

TEST_F(CatalogOfRuns, ARunComesBackAsItWas) {
  RunReport report = run_of("one", {"web1", "web2", "web3"});
  report.started += std::chrono::nanoseconds(123'456'789);
  report.daily_dir = "/stag\\ing \xff/2026";
  RunOrigin origin;
  origin.job = "nightly";
  origin.trigger = RunTrigger::catch_up;
  origin.slot = at_hour(1);
  origin.selected = {"web2", "web1"};
  origin.full = true;
  catalog.begin_run(report, origin);

  report.peers[0] = peer_of("web1", PeerStatus::staged, 12, 1ULL << 40U);
  report.peers[0].reused_files = 3;
  report.peers[0].skipped = {{"so\nck\xfe", "socket"}, {"a", "fifo"}};
  report.peers[0].skipped_unlisted = 7;
  report.peers[0].type = PeerType::local;
  report.peers[1] = peer_of("web2", PeerStatus::failed);
  report.peers[2] = peer_of("web3", PeerStatus::ignored);
  for (const PeerReport& peer : report.peers) {
    catalog.begin_peer("one", peer.name);
    catalog.end_peer("one", peer);
  }
  report.finished = report.started + minutes(3);
  catalog.end_run(report);

  const auto run = catalog.run("one");
  ASSERT_TRUE(run);
  EXPECT_EQ(text_of(run->report), text_of(report));
  EXPECT_EQ(run->report.peers[0].skipped, report.peers[0].skipped);
  EXPECT_EQ(run->report.peers[0].skipped_unlisted, 7U);
  EXPECT_EQ(run->origin, origin);
  EXPECT_TRUE(run->over);
  EXPECT_THAT(run->interruptions, IsEmpty());
}

TEST_F(CatalogOfRuns, ARunThatCouldNotBeDoneKeepsItsError) {
  RunReport report = run_of("one", {});
  report.error = RunError{RunError::Reason::locked, "another run holds it"};
  report.interruption = Interruption::by_signal;
  catalog.begin_run(report, {});
  catalog.end_run(report);
  EXPECT_EQ(text_of(catalog.run("one")->report), text_of(report));
  EXPECT_EQ(catalog.run("one")->report.error->reason, RunError::Reason::locked);
}

TEST_F(CatalogOfRuns, ARunThatGoesOnHasPeersThatAreDoneAndPeersThatAreNot) {
  RunReport report = run_of("one", {"web1", "web2"});
  catalog.begin_run(report, {});
  catalog.begin_peer("one", "web1");
  catalog.end_peer("one", peer_of("web1", PeerStatus::staged, 1, 2));
  catalog.begin_peer("one", "web2");

  const auto unfinished = catalog.unfinished_runs();
  ASSERT_EQ(unfinished.size(), 1U);
  EXPECT_FALSE(unfinished[0].over);
  report.peers[0] = peer_of("web1", PeerStatus::staged, 1, 2);
  EXPECT_EQ(text_of(unfinished[0].report), text_of(report));
}

TEST_F(CatalogOfRuns, AnInterruptedRunGoesOnWhereItWas) {
  RunReport report = run_of("one", {"web1", "web2"});
  RunOrigin origin;
  origin.job = "nightly";
  catalog.begin_run(report, origin);
  catalog.begin_peer("one", "web1");
  catalog.end_peer("one", peer_of("web1", PeerStatus::staged, 1, 2));
  catalog.begin_peer("one", "web2");
  report.peers[0] = peer_of("web1", PeerStatus::staged, 1, 2);
  report.interruption = Interruption::by_signal;
  report.finished = at_hour(3);
  catalog.end_run(report);
  EXPECT_THAT(catalog.unfinished_runs(), IsEmpty());

  const RunInterruption shutdown{at_hour(3), RunInterruption::Cause::shutdown};
  const RunInterruption crash{at_hour(4), RunInterruption::Cause::crash};
  catalog.interrupt_run("one", shutdown);
  catalog.interrupt_run("one", crash);
  EXPECT_EQ(catalog.unfinished_runs().size(), 1U);

  report.interruption = Interruption::none;
  catalog.begin_run(report, {});
  catalog.begin_peer("one", "web2");
  catalog.end_peer("one", peer_of("web2", PeerStatus::unchanged, 3, 4));
  report.peers[1] = peer_of("web2", PeerStatus::unchanged, 3, 4);
  report.finished = at_hour(5);
  catalog.end_run(report);

  const auto run = catalog.run("one");
  EXPECT_EQ(text_of(run->report), text_of(report));
  EXPECT_EQ(run->origin, origin);
  EXPECT_TRUE(run->over);
  EXPECT_THAT(run->interruptions, ElementsAre(shutdown, crash));
}

TEST_F(CatalogOfRuns, RunsAreFoundByPeerTimeAndNumber) {
  record(catalog, run_of("one", {"web1"}, 1), {peer_of("web1", PeerStatus::staged)});
  record(catalog, run_of("three", {"web2"}, 3), {peer_of("web2", PeerStatus::staged)});
  record(catalog, run_of("two", {"web1", "web2"}, 2),
         {peer_of("web1", PeerStatus::failed), peer_of("web2", PeerStatus::staged)});

  EXPECT_THAT(ids({}), ElementsAre("three", "two", "one"));
  EXPECT_THAT(ids({"web1", std::nullopt, 100}), ElementsAre("two", "one"));
  EXPECT_THAT(ids({std::nullopt, at_hour(2), 100}), ElementsAre("three", "two"));
  EXPECT_THAT(ids({"web2", at_hour(2), 1}), ElementsAre("three"));
  EXPECT_THAT(ids({"web9", std::nullopt, 100}), IsEmpty());
  EXPECT_EQ(catalog.run("nine"), std::nullopt);
}

TEST_F(CatalogOfRuns, ThePeersOfAFoundRunAreAllOfThem) {
  record(catalog, run_of("one", {"web1", "web2"}),
         {peer_of("web1", PeerStatus::staged), peer_of("web2", PeerStatus::failed)});
  EXPECT_EQ(status(catalog.runs({"web1", std::nullopt, 1}).at(0).report), RunStatus::failed);
}

TEST_F(CatalogOfRuns, APeerHasItsLastGoodRunAndWhatCameAfter) {
  record(catalog, run_of("one", {"web1", "web2"}, 1),
         {peer_of("web1", PeerStatus::staged, 12, 34), peer_of("web2", PeerStatus::failed)});
  record(catalog, run_of("three", {"web1"}, 3), {peer_of("web1", PeerStatus::not_ready)});
  record(catalog, run_of("two", {"web1"}, 2), {peer_of("web1", PeerStatus::failed)});
  catalog.begin_run(run_of("four", {"web1"}, 4), {});

  const PeerHistory web1 = history_of("web1");
  EXPECT_EQ(web1.last_good, at_hour(1) + minutes(10));
  EXPECT_EQ(web1.last_good_run, "one");
  EXPECT_EQ(web1.files, 12U);
  EXPECT_EQ(web1.bytes, 34U);
  EXPECT_EQ(web1.last_run, "three");
  ASSERT_TRUE(web1.last);
  EXPECT_EQ(web1.last->status, PeerStatus::not_ready);
  EXPECT_EQ(web1.failures_since, 2U);

  const PeerHistory web2 = history_of("web2");
  EXPECT_EQ(web2.last_good, std::nullopt);
  EXPECT_EQ(web2.last_run, "one");
  EXPECT_EQ(web2.failures_since, 1U);
  EXPECT_EQ(catalog.peers().size(), 2U);
}

TEST_F(CatalogOfRuns, SlotsAndThePauseAreRemembered) {
  EXPECT_EQ(catalog.last_slot("nightly"), std::nullopt);
  EXPECT_FALSE(catalog.paused());
  catalog.set_last_slot("nightly", at_hour(1));
  catalog.set_last_slot("nightly", at_hour(2));
  catalog.set_last_slot("weekly", at_hour(3));
  catalog.set_paused(true);
  const Catalog other(path, Catalog::Access::read_only);
  EXPECT_EQ(other.last_slot("nightly"), at_hour(2));
  EXPECT_EQ(other.last_slot("weekly"), at_hour(3));
  EXPECT_TRUE(other.paused());
  catalog.set_paused(false);
  EXPECT_FALSE(other.paused());
}

TEST_F(CatalogOfRuns, OldRunsCanBeForgottenUnlessTheyGoOn) {
  record(catalog, run_of("one", {"web1"}, 1), {peer_of("web1", PeerStatus::staged)});
  catalog.begin_run(run_of("two", {"web1"}, 2), {});
  record(catalog, run_of("three", {"web1"}, 3), {peer_of("web1", PeerStatus::staged)});
  catalog.forget_runs_before(at_hour(3));
  EXPECT_THAT(ids({}), ElementsAre("three", "two"));
}

TEST_F(CatalogOfRuns, WhatIsToldOfARunThatNobodyKnowsIsAnError) {
  EXPECT_THROW(catalog.begin_peer("nine", "web1"), CatalogError);
  EXPECT_THROW(catalog.end_run(run_of("nine", {})), CatalogError);
}

// --- files

class CatalogOfFiles : public CatalogOfRuns {
 protected:
  CatalogOfFiles() { catalog.begin_run(run_of("one", {"web1", "web2"}), {}); }

  /// The names that count; absent: none are known.
  std::optional<std::vector<std::string>> names(const std::string& peer = "web1") {
    const auto files = catalog.files(peer, that_day);
    if (!files) return std::nullopt;
    std::vector<std::string> found;
    for (const WorkFile& file : *files) found.push_back(file.name);
    return found;
  }
  void stage(const std::string& run, const std::vector<WorkFile>& files, const std::string& peer = "web1") {
    catalog.begin_peer(run, peer);
    if (!files.empty()) catalog.add_files(run, peer, files);
    catalog.end_peer(run, peer_of(peer, PeerStatus::staged, files.size()));
  }
};

using Names = std::vector<std::string>;

TEST_F(CatalogOfFiles, NamesSurviveByteForByteInTheirOrder) {
  std::vector<WorkFile> files;
  for (const char* name : {"\xff\xfe", "Z\xc3\xa4", "a\\x41", "a\tb", "b/\xe2\x80\xae", "z\x80"})
    files.push_back(file_of(name));
  for (unsigned byte = 1; byte < 256; ++byte) files.push_back(file_of(std::string("0") + char(byte)));
  std::ranges::sort(files, {}, &WorkFile::name);
  files.back().size = ~0ULL >> 1U;
  files.back().source_mtime = -1;
  files.front().fetched_on = "2026-11-19";
  std::vector<WorkFile> shuffled(files.rbegin(), files.rend());
  stage("one", shuffled);
  EXPECT_EQ(catalog.files("web1", that_day), files);
}

TEST_F(CatalogOfFiles, FilesCountOnlyWhenThePeerIsDone) {
  catalog.begin_peer("one", "web1");
  catalog.add_files("one", "web1", {file_of("a")});
  catalog.add_files("one", "web1", {file_of("b"), file_of("a", 9)});
  EXPECT_EQ(names(), std::nullopt);
  catalog.end_peer("one", peer_of("web1", PeerStatus::staged));
  EXPECT_EQ(names(), (Names{"a", "b"}));
  EXPECT_EQ(names("web2"), std::nullopt);
  EXPECT_EQ(catalog.days(), (std::vector<CatalogedDay>{{"web1", that_day, 2}}));
}

TEST_F(CatalogOfFiles, ALaterRunOfTheDayReplacesThemAndOneWithoutFilesDoesNot) {
  stage("one", {file_of("a"), file_of("b")});
  stage("one", {file_of("x")}, "web2");
  catalog.begin_run(run_of("two", {"web1", "web2"}, 3), {});
  catalog.begin_peer("two", "web1");
  catalog.add_files("two", "web1", {file_of("c")});
  EXPECT_EQ(names(), (Names{"a", "b"}));
  catalog.end_peer("two", peer_of("web1", PeerStatus::staged));
  stage("two", {}, "web2");
  EXPECT_EQ(names(), (Names{"c"}));
  EXPECT_EQ(names("web2"), (Names{"x"}));
}

TEST_F(CatalogOfFiles, WhatWasDroppedDoesNotCount) {
  catalog.begin_peer("one", "web1");
  catalog.add_files("one", "web1", {file_of("a")});
  catalog.drop_files("one", "web1");
  catalog.add_files("one", "web1", {file_of("b")});
  catalog.end_peer("one", peer_of("web1", PeerStatus::staged));
  catalog.drop_files("one", "web1");
  EXPECT_EQ(names(), (Names{"b"}));
}

TEST_F(CatalogOfFiles, ACrashMakesTheFilesOfPeersAtWorkDoubtfulAndOnlyThose) {
  stage("one", {file_of("a")});
  stage("one", {file_of("x")}, "web2");
  catalog.begin_run(run_of("two", {"web1", "web2"}, 3), {});
  catalog.begin_peer("two", "web1");
  catalog.add_files("two", "web1", {file_of("b")});
  catalog.interrupt_run("two", {at_hour(4), RunInterruption::Cause::crash});
  EXPECT_EQ(names(), std::nullopt);
  EXPECT_EQ(names("web2"), (Names{"x"}));
  catalog.begin_run(run_of("two", {"web1", "web2"}, 3), {});
  stage("two", {file_of("b"), file_of("c")});
  EXPECT_EQ(names(), (Names{"b", "c"}));
}

TEST_F(CatalogOfFiles, ARunThatEndsWithoutTheEndOfAPeerLeavesNothingDoubtful) {
  stage("one", {file_of("a")});
  catalog.begin_peer("one", "web1");
  catalog.add_files("one", "web1", {file_of("b")});
  catalog.end_run(run_of("one", {"web1", "web2"}));
  EXPECT_EQ(names(), std::nullopt);
}

TEST_F(CatalogOfFiles, FilesOfADayCanBeForgottenAndOutliveTheirRun) {
  stage("one", {file_of("a")});
  stage("one", {file_of("x")}, "web2");
  catalog.end_run(run_of("one", {"web1", "web2"}));
  catalog.forget_runs_before(at_hour(20));
  EXPECT_EQ(names(), (Names{"a"}));
  catalog.forget_files("web1", that_day);
  EXPECT_EQ(names(), std::nullopt);
  EXPECT_EQ(names("web2"), (Names{"x"}));
}

}  // namespace
}  // namespace peerstage::daemon
