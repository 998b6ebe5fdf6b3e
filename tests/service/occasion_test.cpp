#include "daemon/service/occasion.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using config::NotifyOn;

struct RunCase {
  const char* name;
  Standing before;
  RunStatus status;
  NotifyOn occasion;
  Standing after;
};

class RunOccasion : public ::testing::TestWithParam<RunCase> {};

TEST_P(RunOccasion, is_as_the_table_says) {
  const RunCase& c = GetParam();
  EXPECT_EQ(occasion(c.before, c.status), c.occasion);
  EXPECT_EQ(standing_after(c.before, c.status), c.after);
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, RunOccasion,
    ::testing::Values(
        RunCase{"good_after_good", Standing::good, RunStatus::ok, NotifyOn::always, Standing::good},
        RunCase{"good_after_bad", Standing::bad, RunStatus::ok, NotifyOn::recovery, Standing::good},
        RunCase{"failed", Standing::good, RunStatus::failed, NotifyOn::failure, Standing::bad},
        RunCase{"failed_again", Standing::bad, RunStatus::failed, NotifyOn::failure, Standing::bad},
        RunCase{"not_ready", Standing::good, RunStatus::not_ready, NotifyOn::failure, Standing::bad},
        RunCase{"impossible", Standing::good, RunStatus::error, NotifyOn::failure, Standing::bad},
        RunCase{"interrupted_after_good", Standing::good, RunStatus::interrupted, NotifyOn::always,
                Standing::good},
        RunCase{"interrupted_after_bad", Standing::bad, RunStatus::interrupted, NotifyOn::always,
                Standing::bad}),
    case_name);

struct ToldCase {
  const char* name;
  std::vector<NotifyOn> wanted;
  std::vector<NotifyOn> told;
};

class Told : public ::testing::TestWithParam<ToldCase> {};

TEST_P(Told, is_who_asked_for_it) {
  std::vector<NotifyOn> told;
  for (const NotifyOn each : {NotifyOn::failure, NotifyOn::recovery, NotifyOn::always, NotifyOn::stale}) {
    if (is_told(GetParam().wanted, each)) told.push_back(each);
  }
  EXPECT_EQ(told, GetParam().told);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Told,
    ::testing::Values(
        ToldCase{"failure", {NotifyOn::failure}, {NotifyOn::failure}},
        ToldCase{"recovery", {NotifyOn::recovery}, {NotifyOn::recovery}},
        ToldCase{"stale", {NotifyOn::stale}, {NotifyOn::stale}},
        ToldCase{"always", {NotifyOn::always}, {NotifyOn::failure, NotifyOn::recovery, NotifyOn::always}},
        ToldCase{
            "failure_and_stale", {NotifyOn::stale, NotifyOn::failure}, {NotifyOn::failure, NotifyOn::stale}}),
    case_name);

TEST(Occasions, recovery_is_of_the_same_job_and_told_once) {
  Occasions occasions;
  EXPECT_EQ(occasions.run_ended("nightly", RunStatus::failed), NotifyOn::failure);
  EXPECT_EQ(occasions.run_ended("weekly", RunStatus::ok), NotifyOn::always);
  EXPECT_EQ(occasions.run_ended("nightly", RunStatus::interrupted), NotifyOn::always);
  EXPECT_EQ(occasions.run_ended("nightly", RunStatus::ok), NotifyOn::recovery);
  EXPECT_EQ(occasions.run_ended("nightly", RunStatus::ok), NotifyOn::always);
}

TEST(Occasions, recovery_is_told_after_a_restart) {
  Occasions occasions;
  occasions.remember("nightly", Standing::bad);
  EXPECT_EQ(occasions.run_ended("nightly", RunStatus::ok), NotifyOn::recovery);
}

TEST(Occasions, a_stale_peer_is_news_once_until_it_was_good_again) {
  const StalePeer web1{"web1", std::chrono::system_clock::time_point()};
  const StalePeer web2{"web2", std::nullopt};
  Occasions occasions;
  EXPECT_EQ(occasions.newly_stale({web1}), std::vector{web1});
  EXPECT_EQ(occasions.newly_stale({web1, web2}), std::vector{web2});
  EXPECT_EQ(occasions.newly_stale({web1, web2}), std::vector<StalePeer>{});
  EXPECT_EQ(occasions.newly_stale({web2}), std::vector<StalePeer>{});
  EXPECT_EQ(occasions.newly_stale({web1, web2}), std::vector{web1});
}

}  // namespace
}  // namespace peerstage::daemon
