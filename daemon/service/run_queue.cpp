#include "daemon/service/run_queue.h"

#include <algorithm>
#include <utility>

namespace peerstage::daemon {

void RunQueue::add(WantedRun run, Place place) {
  if (place == Place::first)
    runs_.push_front(std::move(run));
  else
    runs_.push_back(std::move(run));
}

bool RunQueue::remove(const std::string& id) {
  return std::erase_if(runs_, [&](const WantedRun& run) { return run.request.id == id; }) > 0;
}

bool RunQueue::has_job(const std::string& job) const {
  return std::ranges::any_of(runs_, [&](const WantedRun& run) { return run.origin.job == job; });
}

std::optional<WantedRun> RunQueue::take(Timeline::Steady now, Admission admission) {
  const auto may_begin = [&](const WantedRun& run) {
    return run.not_before <= now &&
           (admission == Admission::all || run.origin.trigger == RunTrigger::request);
  };
  const auto found = std::ranges::find_if(runs_, may_begin);
  if (found == runs_.end()) return std::nullopt;
  WantedRun taken = std::move(*found);
  runs_.erase(found);
  return taken;
}

std::optional<Timeline::Steady> RunQueue::next_time(Timeline::Steady now) const {
  std::optional<Timeline::Steady> next;
  for (const WantedRun& run : runs_) {
    if (run.not_before > now && (!next || run.not_before < *next)) next = run.not_before;
  }
  return next;
}

std::vector<QueuedRun> RunQueue::list() const {
  std::vector<QueuedRun> result;
  for (const WantedRun& run : runs_) result.push_back({run.request.id, run.origin, run.why_waiting});
  return result;
}

}  // namespace peerstage::daemon
