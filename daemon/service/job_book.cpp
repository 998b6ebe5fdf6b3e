#include "daemon/service/job_book.h"

#include <utility>

#include "daemon/schedule/next_run.h"

namespace peerstage::daemon {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// A loop that comes round late is no missed slot; a daemon that was down for longer than this missed it.
constexpr auto lateness_allowed = minutes(1);

// No zone's clock goes back by more than a day, so a slot dealt with that lies further ahead was dealt with
// while the clock was wrong, and must not keep the job from ever running again.
constexpr auto furthest_ahead = hours(25);

/// A slot whose random delay is running is not missed because the configuration is read again.
template <typename Entry>
void keep_what_is_awaited(Entry& entry, const Entry& before) {
  if (entry.job.schedule.text != before.job.schedule.text) return;
  if (entry.job.random_delay != before.job.random_delay) return;
  entry.slot = before.slot;
  entry.begins = before.begins;
}

}  // namespace

JobBook::JobBook(Timeline& timeline, Surroundings surroundings)
    : timeline_(timeline), surroundings_(std::move(surroundings)) {}

void JobBook::set_jobs(std::vector<config::Job> jobs, const std::map<std::string, Wall>& last_slots) {
  std::map<std::string, Entry> before = std::exchange(entries_, {});
  order_.clear();
  for (config::Job& job : jobs) {
    const std::string name = job.name;
    order_.push_back(name);
    Entry& entry = entries_[name];
    entry.job = std::move(job);
    if (const auto known = before.find(name); known != before.end()) {
      entry.dealt_with = known->second.dealt_with;
      entry.ever = known->second.ever;
      keep_what_is_awaited(entry, known->second);
    } else if (const auto remembered = last_slots.find(name); remembered != last_slots.end()) {
      entry.dealt_with = remembered->second;
      entry.ever = true;
    } else {
      entry.dealt_with = timeline_.wall_now();
    }
    if (!paused_) entry.alarm = timeline_.after({}, [this, &entry] { look(entry); });
  }
}

void JobBook::pause() {
  paused_ = true;
  for (auto& [name, entry] : entries_) {
    entry.alarm.reset();
    entry.slot.reset();
  }
}

void JobBook::resume() {
  if (!std::exchange(paused_, false)) return;
  for (auto& [name, entry] : entries_)
    entry.alarm = timeline_.after({}, [this, &entry = entry] { look(entry); });
}

/// Sets the alarm for the first slot that has not been dealt with.
void JobBook::wait(Entry& entry) {
  const auto next = daemon::next_run(entry.job.schedule, surroundings_.zone(), entry.dealt_with);
  if (next && next != entry.slot)
    entry.begins = *next + random_delay(entry.job.random_delay, surroundings_.random());
  entry.slot = next;
  entry.alarm = next ? timeline_.at(entry.begins, [this, &entry] { look(entry); }) : nullptr;
}

/// The alarm rang, or the clock was set: only what it shows now counts.
void JobBook::look(Entry& entry) {
  const Wall now = timeline_.wall_now();
  if (entry.dealt_with > now + furthest_ahead) entry.dealt_with = now;
  const auto slots = missed_slots(entry.job.schedule, surroundings_.zone(), entry.dealt_with, now);
  const bool is_awaited = slots && slots->latest == entry.slot;
  if (slots && !(is_awaited && now < entry.begins))
    deal_with(entry, slots->latest, is_awaited ? entry.begins : slots->latest);
  // Whoever was told may have changed the jobs.
  if (!paused_) wait(entry);
}

void JobBook::deal_with(Entry& entry, Wall slot, Wall should_have_begun) {
  entry.dealt_with = slot;
  entry.ever = true;
  const bool is_late = timeline_.wall_now() > should_have_begun + lateness_allowed;
  if (is_late && !entry.job.catch_up)
    surroundings_.missed(entry.job, slot);
  else
    surroundings_.due(entry.job, slot, is_late ? RunTrigger::catch_up : RunTrigger::schedule);
}

const JobBook::Entry* JobBook::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

const config::Job* JobBook::find(const std::string& name) const {
  const Entry* found = entry(name);
  return found == nullptr ? nullptr : &found->job;
}

std::optional<JobBook::Wall> JobBook::next_run(const std::string& name) const {
  const Entry* found = entry(name);
  if (found == nullptr || !found->slot) return std::nullopt;
  return found->begins;
}

std::optional<JobBook::Wall> JobBook::last_slot(const std::string& name) const {
  const Entry* found = entry(name);
  if (found == nullptr || !found->ever) return std::nullopt;
  return found->dealt_with;
}

std::vector<config::Job> JobBook::jobs() const {
  std::vector<config::Job> result;
  for (const std::string& name : order_) result.push_back(entries_.at(name).job);
  return result;
}

}  // namespace peerstage::daemon
