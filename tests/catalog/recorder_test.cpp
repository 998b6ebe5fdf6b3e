#include "daemon/catalog/recorder.h"

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <gmock/gmock.h>

#include "some_runs.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Recording : public ::testing::Test {
 protected:
  std::optional<std::size_t> count(const std::string& peer) {
    const auto files = catalog.files(peer, that_day);
    return files ? std::optional(files->size()) : std::nullopt;
  }
  void tell_files(std::size_t peer, std::size_t number, const std::string& prefix = "file ") {
    for (std::size_t i = 0; i < number; ++i) recorder.file(peer, file_of(prefix + std::to_string(i)));
  }

  test::TemporaryDirectory temporary;
  std::string path = temporary / "catalog.db";
  Catalog catalog{path, Catalog::Access::read_write};
  std::vector<std::string> complaints;
  CatalogRecorder recorder{catalog, [this](const std::string& text) { complaints.push_back(text); }};
};

TEST_F(Recording, ARunIsInTheCatalogAsItEnded) {
  RunReport report = run_of("one", {"web1", "web2"});
  RunOrigin origin;
  origin.job = "nightly";
  recorder.set_origin(origin);
  recorder.begun(report);
  recorder.started(0, 1);
  recorder.started(1, 1);
  tell_files(0, 2'500);
  EXPECT_FALSE(catalog.run("one")->over);
  EXPECT_EQ(count("web1"), std::nullopt);
  report.peers = {peer_of("web1", PeerStatus::staged, 2'500, 12'500), peer_of("web2", PeerStatus::failed)};
  recorder.finished(0, report.peers[0]);
  EXPECT_EQ(count("web1"), 2'500U);
  recorder.finished(1, report.peers[1]);
  report.finished = at_hour(3);
  recorder.ended(report);

  const auto run = catalog.run("one");
  EXPECT_EQ(text_of(run->report), text_of(report));
  EXPECT_EQ(run->origin, origin);
  EXPECT_TRUE(run->over);
  EXPECT_THAT(complaints, IsEmpty());
}

TEST_F(Recording, ARunThatCouldNotBeginIsThereWithItsError) {
  RunReport report = run_of("one", {});
  report.error = RunError{RunError::Reason::unusable, "the disk is gone"};
  recorder.ended(report);
  EXPECT_EQ(text_of(catalog.run("one")->report), text_of(report));
}

TEST_F(Recording, ARunThatDidNotGetTheLockIsNoneYet) {
  RunReport report = run_of("one", {});
  report.error = RunError{RunError::Reason::locked, "another run holds it"};
  recorder.ended(report);
  EXPECT_FALSE(catalog.run("one").has_value());
}

TEST_F(Recording, WhatAnAttemptToldIsVoidWhenTheNextOneTells) {
  recorder.begun(run_of("one", {"web1"}));
  recorder.started(0, 1);
  tell_files(0, 1'200, "early ");
  recorder.started(0, 2);
  tell_files(0, 3);
  recorder.finished(0, peer_of("web1", PeerStatus::staged, 3));
  EXPECT_EQ(count("web1"), 3U);
}

TEST_F(Recording, WhatAnAttemptToldStandsWhenTheNextOneFindsNothingToTell) {
  recorder.begun(run_of("one", {"web1"}));
  recorder.started(0, 1);
  tell_files(0, 2'000);
  recorder.started(0, 2);
  recorder.finished(0, peer_of("web1", PeerStatus::unchanged, 2'000));
  EXPECT_EQ(count("web1"), 2'000U);
}

TEST_F(Recording, FilesThatWereNotToldToTheEndAreNotBelievedAndNeitherAreTheOlderOnes) {
  recorder.begun(run_of("one", {"web1"}));
  recorder.started(0, 1);
  tell_files(0, 3);
  recorder.finished(0, peer_of("web1", PeerStatus::staged, 3));
  recorder.ended(run_of("one", {"web1"}));

  recorder.begun(run_of("two", {"web1"}, 3));
  recorder.started(0, 1);
  tell_files(0, 1'500);
  recorder.finished(0, peer_of("web1", PeerStatus::failed));
  EXPECT_EQ(count("web1"), std::nullopt);
  EXPECT_THAT(complaints, IsEmpty());
}

/// Another writer holds the catalog, longer than it is waited for.
class HeldCatalog {
 public:
  explicit HeldCatalog(const std::string& path) : sql_(soci::sqlite3, "dbname=\"" + path + "\"") {
    sql_ << "begin immediate";
  }

 private:
  soci::session sql_;
};

TEST_F(Recording, TheFirstFailureIsToldOnceAndTheEndIsTriedNevertheless) {
  RunReport report = run_of("one", {"web1", "web2"});
  recorder.begun(report);
  {
    const HeldCatalog held(path);
    const auto before = std::chrono::steady_clock::now();
    recorder.started(0, 1);
    recorder.started(1, 1);
    tell_files(0, 5'000);
    report.peers = {peer_of("web1", PeerStatus::staged, 5'000), peer_of("web2", PeerStatus::staged)};
    recorder.finished(0, report.peers[0]);
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));  // waited once
  }
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("another program has held it")));
  recorder.finished(1, report.peers[1]);
  report.finished = at_hour(3);
  recorder.ended(report);
  EXPECT_EQ(text_of(catalog.run("one")->report), text_of(report));
  EXPECT_EQ(count("web1"), std::nullopt);

  recorder.begun(run_of("two", {"web1"}, 4));
  recorder.started(0, 1);
  tell_files(0, 2);
  recorder.finished(0, peer_of("web1", PeerStatus::staged, 2));
  EXPECT_EQ(count("web1"), 2U);
  EXPECT_THAT(complaints, SizeIs(1));
}

TEST_F(Recording, ManyFilesOfManyPeersNeedLittleMemory) {
  recorder.begun(run_of("one", {"web1", "web2"}));
  recorder.started(0, 1);
  recorder.started(1, 1);
  tell_files(0, 5'000);
  const std::size_t before = test::resident_bytes();
  tell_files(0, 30'000, "more ");
  tell_files(1, 30'000);
  EXPECT_TRUE(test::grew_by_less_than(8U << 20U, before));
}

ActionReport action_of(const std::string& name, std::optional<int> exit_status) {
  ActionReport report;
  report.action = name;
  report.begun = true;
  report.exit_status = exit_status;
  report.duration = std::chrono::milliseconds(1'500);
  report.status = exit_status == 0 ? ActionReport::Status::ok : ActionReport::Status::failed;
  if (exit_status != 0) report.failure = peers::Failure{peers::FailureKind::permanent, "it failed"};
  return report;
}

TEST_F(Recording, ActionsAreInTheCatalogAsSoonAsTheyBegin) {
  RunReport report = run_of("one", {"web1", "web2"});
  recorder.begun(report);
  recorder.started(0, 1);
  recorder.action_begun(0, "collect");
  auto actions = catalog.run("one")->report.peers.at(0).actions;
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_TRUE(actions[0].begun);
  EXPECT_EQ(actions[0].status, ActionReport::Status::failed) << "for all that is known";
  EXPECT_EQ(actions[0].exit_status, std::nullopt);

  recorder.action_ended(0, action_of("collect", 0));
  recorder.action_begun(0, "purge");
  recorder.action_ended(0, action_of("purge", 3));
  actions = catalog.run("one")->report.peers.at(0).actions;
  ASSERT_THAT(actions, SizeIs(2));
  EXPECT_EQ(actions[0].status, ActionReport::Status::ok);
  EXPECT_EQ(actions[1].exit_status, 3);
  EXPECT_THAT(catalog.run("one")->report.peers.at(1).actions, IsEmpty());

  report.peers[0] = peer_of("web1", PeerStatus::failed);
  report.peers[0].actions = {action_of("collect", 0), action_of("purge", 3)};
  report.peers[1] = peer_of("web2", PeerStatus::staged);
  report.actions = {action_of("collect", 7)};
  recorder.finished(0, report.peers[0]);
  recorder.finished(1, report.peers[1]);
  report.finished = at_hour(3);
  recorder.ended(report);
  EXPECT_EQ(text_of(catalog.run("one")->report), text_of(report));
  EXPECT_THAT(complaints, IsEmpty());
}

}  // namespace
}  // namespace peerstage::daemon
