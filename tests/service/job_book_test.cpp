#include "daemon/service/job_book.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/simulated_timeline.h"

namespace peerstage::daemon {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Wall = Timeline::Wall;

/// Due at every full hour, which is calendar enough for a book.
config::Job job(const std::string& name) {
  config::Job result;
  result.name = name;
  result.schedule.minutes.set(0);
  result.schedule.hours.set();
  result.schedule.days.set();
  result.schedule.months.set();
  result.schedule.weekdays.set();
  return result;
}

class JobBookTest : public testing::Test {
 protected:
  JobBook::Surroundings surroundings() {
    return {
        [] { return Zone(); },
        [this](const config::Job& job, Wall slot, RunTrigger trigger) {
          told_.push_back(job.name + " " + to_string(trigger) + " " + hour(slot));
        },
        [this](const config::Job& job, Wall slot) { told_.push_back(job.name + " missed " + hour(slot)); },
        [this] { return random_; }};
  }

  std::string hour(Wall slot) const {
    EXPECT_EQ((slot - begin_) % hours(1), seconds(0));
    return std::to_string((slot - begin_) / hours(1));
  }

  std::vector<std::string> told() { return std::exchange(told_, {}); }

  const Wall begin_{hours(24) * 20'000};
  double random_ = 0;
  std::vector<std::string> told_;
  SimulatedTimeline timeline_{begin_};
  JobBook book_{timeline_, surroundings()};
};

TEST_F(JobBookTest, AJobIsDueAtEachOfItsSlots) {
  book_.set_jobs({job("a")}, {});
  EXPECT_EQ(book_.last_slot("a"), std::nullopt);
  timeline_.pass(hours(3));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 1", "a schedule 2", "a schedule 3"}));
  EXPECT_EQ(book_.last_slot("a"), begin_ + hours(3));
  EXPECT_EQ(book_.next_run("a"), begin_ + hours(4));
}

TEST_F(JobBookTest, AJobThatIsNewHasMissedNothing) {
  timeline_.pass(minutes(90));
  book_.set_jobs({job("a")}, {});
  timeline_.pass(minutes(10));
  EXPECT_EQ(told(), std::vector<std::string>());
}

TEST_F(JobBookTest, ManySlotsThatWereMissedAreMadeUpForByOneRun) {
  timeline_.pass(hours(24 * 365) + minutes(5));
  book_.set_jobs({job("a")}, {{"a", begin_ + hours(3)}});
  timeline_.pass(minutes(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a catch_up 8760"}));
  timeline_.pass(hours(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 8761"}));
}

TEST_F(JobBookTest, NothingIsMadeUpForWhereThatIsNotWanted) {
  timeline_.pass(hours(5) + minutes(5));
  config::Job strict = job("a");
  strict.catch_up = false;
  book_.set_jobs({strict}, {{"a", begin_ + hours(3)}});
  timeline_.pass(minutes(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a missed 5"}));
}

TEST_F(JobBookTest, ASlotThatIsOnlyJustPastIsNoMissedOne) {
  timeline_.pass(hours(5) + seconds(20));
  config::Job strict = job("a");
  strict.catch_up = false;
  book_.set_jobs({strict}, {{"a", begin_ + hours(4)}});
  timeline_.pass(seconds(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 5"}));
}

TEST_F(JobBookTest, TheRandomDelayIsDrawnOnceForASlot) {
  config::Job late = job("a");
  late.random_delay = minutes(30);
  random_ = 0.5;
  book_.set_jobs({late}, {});
  timeline_.pass(seconds(1));
  EXPECT_EQ(book_.next_run("a"), begin_ + minutes(75));
  random_ = 0.9;
  timeline_.set_wall(timeline_.wall_now());  // whoever waits is woken up, and nothing else has changed
  timeline_.pass(minutes(74));
  EXPECT_EQ(told(), std::vector<std::string>());
  timeline_.pass(minutes(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 1"}));
}

TEST_F(JobBookTest, AClockThatIsSetBackRepeatsNoSlot) {
  book_.set_jobs({job("a")}, {});
  timeline_.pass(hours(3) + minutes(1));
  told();
  timeline_.set_wall(timeline_.wall_now() - hours(2));
  timeline_.pass(minutes(118));
  EXPECT_EQ(told(), std::vector<std::string>());
  timeline_.pass(minutes(62));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 4"}));
}

TEST_F(JobBookTest, AClockThatIsSetForwardMissesOneSlot) {
  book_.set_jobs({job("a")}, {});
  timeline_.pass(minutes(30));
  timeline_.set_wall(begin_ + hours(50) + minutes(30));
  timeline_.pass(minutes(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a catch_up 50"}));
}

TEST_F(JobBookTest, AClockThatWasYearsAheadDoesNotSilenceAJob) {
  book_.set_jobs({job("a")}, {{"a", begin_ + hours(24 * 365 * 50)}});
  timeline_.pass(hours(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 1"}));
}

TEST_F(JobBookTest, NothingIsDueWhilePausedAndOneRunMakesUpForIt) {
  book_.set_jobs({job("a")}, {});
  book_.pause();
  EXPECT_EQ(book_.next_run("a"), std::nullopt);
  timeline_.pass(hours(4) + minutes(10));
  EXPECT_EQ(told(), std::vector<std::string>());
  book_.resume();
  timeline_.pass(seconds(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a catch_up 4"}));
  EXPECT_EQ(book_.next_run("a"), begin_ + hours(5));
}

TEST_F(JobBookTest, ABookThatIsPausedStaysSoWithNewJobs) {
  book_.pause();
  book_.set_jobs({job("a")}, {});
  timeline_.pass(hours(4));
  EXPECT_EQ(told(), std::vector<std::string>());
}

TEST_F(JobBookTest, NewJobsReplaceTheOldAndKeepWhatWasDealtWith) {
  book_.set_jobs({job("a"), job("b")}, {});
  timeline_.pass(hours(1));
  told();
  book_.set_jobs({job("c"), job("a")}, {});
  EXPECT_EQ(book_.find("b"), nullptr);
  timeline_.pass(hours(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"c schedule 2", "a schedule 2"}));
}

TEST_F(JobBookTest, AReloadDuringTheRandomDelayMissesNothing) {
  config::Job late = job("a");
  late.random_delay = minutes(30);
  late.catch_up = false;
  random_ = 0.5;
  book_.set_jobs({late}, {});
  timeline_.pass(hours(1) + minutes(5));
  random_ = 0.9;
  book_.set_jobs({late}, {});
  timeline_.pass(minutes(9));
  EXPECT_EQ(told(), std::vector<std::string>());
  timeline_.pass(minutes(1));
  EXPECT_EQ(told(), (std::vector<std::string>{"a schedule 1"}));
}

TEST_F(JobBookTest, AJobThatNeverRunsWaitsForNothing) {
  config::Job never = job("a");
  never.schedule.months.reset();
  book_.set_jobs({never}, {});
  timeline_.pass(hours(1));
  EXPECT_EQ(book_.next_run("a"), std::nullopt);
  EXPECT_EQ(timeline_.alarms(), 0U);
}

}  // namespace
}  // namespace peerstage::daemon
