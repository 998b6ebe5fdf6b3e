#include "daemon/retry_policy.h"

#include <algorithm>
#include <cmath>

namespace peerstage::daemon {
namespace {

constexpr std::chrono::milliseconds longest_delay = std::chrono::minutes(15);
constexpr double jitter = 0.25;

std::chrono::milliseconds backoff(std::chrono::milliseconds base, unsigned failures, double random) {
  const double doubled = static_cast<double>(base.count()) * std::exp2(failures - 1);
  const double capped = std::min(doubled, static_cast<double>(longest_delay.count()));
  return std::chrono::milliseconds(std::llround(capped * (1 - jitter + 2 * jitter * random)));
}

}  // namespace

Decision decide_after_failure(const config::StagingSettings& settings, peers::FailureKind kind,
                              const AttemptHistory& history, double random) {
  if (kind == peers::FailureKind::transient && history.transient_failures <= settings.retries) {
    return {NextStep::retry, backoff(settings.retry_delay, history.transient_failures, random)};
  }
  if (kind == peers::FailureKind::not_ready && history.since_start < settings.wait_for_collect) {
    return {NextStep::look_again,
            std::min(settings.poll_interval, settings.wait_for_collect - history.since_start)};
  }
  return {};
}

bool is_ignored(config::IgnoreFailures ignore, DayKind day) {
  switch (ignore) {
    case config::IgnoreFailures::none:
      return false;
    case config::IgnoreFailures::all:
      return true;
    case config::IgnoreFailures::daily:
      return day == DayKind::ordinary;
    case config::IgnoreFailures::weekly:
      return day == DayKind::starting_day_or_full;
  }
  return false;
}

}  // namespace peerstage::daemon
