#include "daemon/schedule/job_schedule.h"

#include <fmt/format.h>

#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/schedule/local_time.h"
#include "daemon/schedule/next_run.h"
#include "daemon/schedule/not_between.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

std::string time_of_day(std::chrono::minutes time) {
  return fmt::format("{:02}:{:02}", time.count() / 60, time.count() % 60);
}

std::string window_text(const config::TimeWindow& window) {
  const bool ends_with_the_day = window.end == std::chrono::minutes(0);
  return time_of_day(window.begin) + "-" + (ends_with_the_day ? "24:00" : time_of_day(window.end));
}

/// A list with something between its members.
std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

std::vector<std::string> window_texts(const std::vector<config::TimeWindow>& windows) {
  std::vector<std::string> texts;
  for (const config::TimeWindow& window : windows) texts.push_back(window_text(window));
  return texts;
}

/// What else there is to know of a job; each a line of its own.
std::string notes_text(const config::Job& job) {
  std::string text;
  if (job.full) text += "  as on the starting day of the week\n";
  if (job.random_delay > milliseconds(0))
    text += "  begins up to " + readable_duration(job.random_delay) + " later, by chance\n";
  if (!job.not_between.empty())
    text += "  no transfer starts " + joined(window_texts(job.not_between), " or ") + "\n";
  return text;
}

std::string run_text(const JobSchedule::Run& run, const Zone& zone, WallTime now) {
  std::string text = "  " + readable_time(zone, run.slot) + "  in " +
                     readable_duration(std::chrono::ceil<milliseconds>(run.slot - now));
  if (run.held_until) text += ", transfers from " + readable_time(zone, *run.held_until);
  return text + "\n";
}

std::string job_text(const JobSchedule& schedule, const Zone& zone, WallTime now) {
  const config::Job& job = schedule.job;
  std::string text = job.name + ": " + joined(job.actions, ", ") + " at " +
                     peers::printable(job.schedule.text) + "\n" + notes_text(job);
  for (const JobSchedule::Run& run : schedule.runs) text += run_text(run, zone, now);
  if (schedule.runs.empty()) text += "  never again\n";
  return text;
}

Json run_json(const JobSchedule::Run& run, const Zone& zone) {
  return {{"local", local_timestamp(zone, run.slot)},
          {"utc", utc(run.slot)},
          {"held_until", run.held_until ? Json(utc(*run.held_until)) : Json(nullptr)}};
}

Json job_json(const JobSchedule& schedule, const Zone& zone) {
  const config::Job& job = schedule.job;
  Json runs = Json::array();
  for (const JobSchedule::Run& run : schedule.runs) runs.push_back(run_json(run, zone));
  return {{"name", job.name},
          {"schedule", job.schedule.text},
          {"actions", job.actions},
          {"full", job.full},
          {"random_delay_seconds", std::chrono::duration<double>(job.random_delay).count()},
          {"catch_up", job.catch_up},
          {"not_between", window_texts(job.not_between)},
          {"runs", std::move(runs)}};
}

}  // namespace

JobSchedule schedule_of(const config::Job& job, const Zone& zone, WallTime now, unsigned count) {
  JobSchedule schedule{job, {}};
  std::optional<WallTime> slot = next_run(job.schedule, zone, now);
  for (; slot && schedule.runs.size() < count; slot = next_run(job.schedule, zone, *slot))
    schedule.runs.push_back({*slot, held_until(job.not_between, zone, *slot)});
  return schedule;
}

std::string schedule_text(const std::vector<JobSchedule>& jobs, const MachineZone& machine, WallTime now) {
  std::string text = "Times are those of " + machine.zone.name() + ".\n";
  for (const JobSchedule& job : jobs) text += "\n" + job_text(job, machine.zone, now);
  return text;
}

std::string schedule_json(const std::vector<JobSchedule>& jobs, const MachineZone& machine, WallTime now) {
  Json list = Json::array();
  for (const JobSchedule& job : jobs) list.push_back(job_json(job, machine.zone));
  const Json document{{"version", 1},
                      {"zone", machine.zone.name()},
                      {"warning", machine.warning.empty() ? Json(nullptr) : Json(machine.warning)},
                      {"now", utc(now)},
                      {"jobs", std::move(list)}};
  return document_text(document);
}

}  // namespace peerstage::daemon
