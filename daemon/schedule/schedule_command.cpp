#include "daemon/schedule/schedule_command.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "config/load.h"
#include "daemon/check.h"
#include "daemon/report_json.h"
#include "daemon/schedule/job_schedule.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

ExitCode show_refusal(const ScheduleCommand& command, const std::string& sentence) {
  std::cerr << "peerstage schedule: " << sentence << std::endl;
  if (command.json) std::cout << document_text({{"version", 1}, {"error", sentence}}) << std::flush;
  return ExitCode::error;
}

bool is_wanted(const ScheduleCommand& command, const config::Job& job) {
  return command.jobs.empty() ||
         std::find(command.jobs.begin(), command.jobs.end(), job.name) != command.jobs.end();
}

const std::string* unknown_job(const ScheduleCommand& command, const std::vector<config::Job>& jobs) {
  for (const std::string& name : command.jobs)
    if (std::none_of(jobs.begin(), jobs.end(), [&](const config::Job& job) { return job.name == name; }))
      return &name;
  return nullptr;
}

void show(const ScheduleCommand& command, const std::vector<config::Job>& jobs) {
  const MachineZone machine = machine_zone();
  const WallTime now = std::chrono::system_clock::now();
  if (!machine.warning.empty()) std::cerr << "peerstage schedule: " << machine.warning << ".\n";
  std::vector<JobSchedule> schedules;
  for (const config::Job& job : jobs)
    if (is_wanted(command, job)) schedules.push_back(schedule_of(job, machine.zone, now, command.count));
  std::cout << (command.json ? schedule_json(schedules, machine, now)
                             : schedule_text(schedules, machine, now))
            << std::flush;
}

}  // namespace

ExitCode show_schedule(const ScheduleCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  config::LoadResult loaded = config::load(path, started_as());
  if (loaded.config && !loaded.config->peerstage.daemon) {
    loaded.findings.push_back({config::Severity::error, path, 0, "peerstage/daemon",
                               "this element is required for a schedule, but missing"});
  }
  if (config::has_errors(loaded.findings))
    return show_findings(path, loaded.findings, command.json ? FindingsFormat::json : FindingsFormat::text);
  const std::vector<config::Job>& jobs = loaded.config->peerstage.daemon->jobs;
  if (jobs.empty()) return show_refusal(command, "there is no job in " + peers::printable(path));
  if (const std::string* name = unknown_job(command, jobs))
    return show_refusal(command,
                        "there is no job " + peers::printable(*name) + " in " + peers::printable(path));
  show(command, jobs);
  return ExitCode::ok;
}

}  // namespace peerstage::daemon
