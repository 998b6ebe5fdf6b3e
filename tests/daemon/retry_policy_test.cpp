#include "daemon/retry_policy.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using config::IgnoreFailures;
using peers::FailureKind;
using std::chrono::milliseconds;

config::StagingSettings settings() {
  config::StagingSettings result;
  result.retries = 3;
  result.retry_delay = milliseconds(1000);
  result.wait_for_collect = milliseconds(10'000);
  result.poll_interval = milliseconds(4'000);
  return result;
}

struct FailureCase {
  const char* name;
  FailureKind kind;
  unsigned transient_failures;
  milliseconds since_start;
  double random;
  Decision expected;
};

class AfterAFailure : public testing::TestWithParam<FailureCase> {};

TEST_P(AfterAFailure, TheNextStepIs) {
  const FailureCase& given = GetParam();
  EXPECT_EQ(decide_after_failure(settings(), given.kind, {given.transient_failures, given.since_start},
                                 given.random),
            given.expected);
}

INSTANTIATE_TEST_SUITE_P(
    RetryPolicy, AfterAFailure,
    testing::Values(
        FailureCase{"FirstTransientWaitsTheBaseDelay",
                    FailureKind::transient,
                    1,
                    {},
                    0.5,
                    {NextStep::retry, milliseconds(1000)}},
        FailureCase{
            "TheDelayDoubles", FailureKind::transient, 3, {}, 0.5, {NextStep::retry, milliseconds(4000)}},
        FailureCase{"JitterTakesAQuarterAtMost",
                    FailureKind::transient,
                    1,
                    {},
                    0.0,
                    {NextStep::retry, milliseconds(750)}},
        FailureCase{"RetriesEnd", FailureKind::transient, 4, {}, 0.5, {NextStep::give_up, milliseconds(0)}},
        FailureCase{"PermanentIsNotRetried",
                    FailureKind::permanent,
                    0,
                    {},
                    0.5,
                    {NextStep::give_up, milliseconds(0)}},
        FailureCase{
            "HostileIsNotRetried", FailureKind::hostile, 0, {}, 0.5, {NextStep::give_up, milliseconds(0)}},
        FailureCase{"NotReadyIsLookedAtAgain",
                    FailureKind::not_ready,
                    0,
                    milliseconds(0),
                    0.5,
                    {NextStep::look_again, milliseconds(4000)}},
        FailureCase{"TheLastLookIsAtTheEndOfTheWait",
                    FailureKind::not_ready,
                    0,
                    milliseconds(9000),
                    0.5,
                    {NextStep::look_again, milliseconds(1000)}},
        FailureCase{"WaitingEnds",
                    FailureKind::not_ready,
                    0,
                    milliseconds(10'000),
                    0.5,
                    {NextStep::give_up, milliseconds(0)}}),
    [](const auto& tested) { return tested.param.name; });

TEST(RetryPolicy, TheDelayIsCapped) {
  config::StagingSettings patient = settings();
  patient.retries = 100;
  const Decision decision = decide_after_failure(patient, FailureKind::transient, {40, {}}, 0.5);
  EXPECT_EQ(decision.delay, std::chrono::minutes(15));
}

struct IgnoreCase {
  IgnoreFailures ignore;
  bool ordinary_day, starting_day;
};

TEST(RetryPolicy, NotReadyIsIgnoredOnTheDaysThatTheConfigurationNames) {
  const IgnoreCase table[] = {{IgnoreFailures::none, false, false},
                              {IgnoreFailures::all, true, true},
                              {IgnoreFailures::daily, true, false},
                              {IgnoreFailures::weekly, false, true}};
  for (const IgnoreCase& row : table) {
    EXPECT_EQ(is_ignored(row.ignore, DayKind::ordinary), row.ordinary_day);
    EXPECT_EQ(is_ignored(row.ignore, DayKind::starting_day_or_full), row.starting_day);
  }
}

}  // namespace
}  // namespace peerstage::daemon
