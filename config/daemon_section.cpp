#include "config/daemon_section.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include <sys/un.h>

#include "config/crontab.h"
#include "config/source_file.h"
#include "config/time_window.h"

namespace peerstage::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr milliseconds one_day = hours(24);

/// What Cedar Backup can do, in the order in which it does it.
constexpr std::string_view cedar_actions[] = {"initialize", "rebuild", "validate", "all",
                                              "collect",    "stage",   "store",    "purge"};

constexpr std::string_view job_actions[] = {"collect", "stage", "purge"};

template <std::size_t count>
bool is_among(const std::string_view (&actions)[count], const std::string& name) {
  return std::ranges::find(actions, name) != std::end(actions);
}

const std::vector<std::pair<std::string_view, NotifyOn>> occasions = {{"failure", NotifyOn::failure},
                                                                      {"recovery", NotifyOn::recovery},
                                                                      {"always", NotifyOn::always},
                                                                      {"stale", NotifyOn::stale}};

std::vector<std::string> as_job_actions(const std::string& text) {
  const std::vector<std::string> names = as_action_names(text);
  if (names.empty()) throw BadValue("must name at least one action");
  for (const std::string& name : names) {
    if (is_among(job_actions, name)) continue;
    throw BadValue("cannot be run: " + quoted(name) +
                   (is_among(cedar_actions, name) ? " is not for a job" : " is no action") +
                   "; collect, stage and purge are what a job can do");
  }
  if (std::ranges::find(names, "stage") == names.end())
    throw BadValue("must name stage: a job stages, and collects before and purges after it");
  std::vector<std::string> ordered;
  for (const std::string_view action : job_actions)
    if (std::find(names.begin(), names.end(), action) != names.end()) ordered.emplace_back(action);
  return ordered;
}

std::vector<NotifyOn> as_occasions(const std::string& text) {
  const char* const expected = "must be a comma list of failure, recovery, always and stale";
  std::vector<NotifyOn> result;
  for (const std::string& name : as_action_names(text)) {
    const auto found = std::find_if(occasions.begin(), occasions.end(),
                                    [&](const auto& occasion) { return occasion.first == name; });
    if (found == occasions.end()) throw BadValue(expected);
    if (std::find(result.begin(), result.end(), found->second) == result.end())
      result.push_back(found->second);
  }
  if (result.empty()) throw BadValue(expected);
  return result;
}

/// Without blanks and control characters, which have no place in an address and much power in a header.
bool is_one_word(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; });
}

std::string as_url(const std::string& text) {
  const std::size_t host = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : text.size();
  const bool has_host =
      host < text.size() && std::string_view("/?#:@").find(text[host]) == std::string_view::npos;
  if (!has_host || !is_one_word(text))
    throw BadValue("must be an address that begins with http:// or https://");
  return text;
}

std::string as_mail_address(const std::string& text) {
  if (text.starts_with('-') || text.find(',') != std::string::npos || !is_one_word(text))
    throw BadValue("must be one mail address, such as root or backup@example.org");
  return text;
}

std::string as_socket_path(const std::string& text) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (text.size() > longest)
    throw BadValue("is too long: the path of a socket has at most " + std::to_string(longest) + " bytes");
  return as_absolute_path(text);
}

Job read_job(Fields& fields) {
  Job job;
  job.line = fields.line();
  job.element = fields.path();
  job.name = fields.required("name", as_group_name);
  job.schedule = fields.required("schedule", as_crontab_rule);
  job.actions = fields.required("actions", as_job_actions);
  job.full = fields.value("full", as_boolean).value_or(job.full);
  job.managed = fields.value("managed", as_boolean).value_or(job.managed);
  job.random_delay =
      fields.value("random_delay", AsDuration{milliseconds(0), one_day}).value_or(job.random_delay);
  job.catch_up = fields.value("catch_up", as_boolean).value_or(job.catch_up);
  job.not_between = fields.values("not_between", as_time_window);
  if (cover_whole_day(job.not_between)) {
    fields.error(fields.place("not_between"),
                 "these windows are the whole day, so that nothing could ever start");
  }
  fields.report_unknown();
  return job;
}

std::vector<Job> read_jobs(Fields& fields) {
  std::vector<Job> jobs;
  std::set<std::string> names;
  for (Fields& entry : fields.groups("job")) {
    jobs.push_back(read_job(entry));
    const std::string& name = jobs.back().name;
    if (!name.empty() && !names.insert(name).second)
      entry.error(entry.place("name"), "another job has the name " + quoted(name) + " already");
  }
  return jobs;
}

Notify read_notify(Fields& fields) {
  Notify notify;
  notify.line = fields.line();
  notify.element = fields.path();
  notify.on = fields.value("on", as_occasions).value_or(std::vector<NotifyOn>{NotifyOn::failure});
  const auto command = fields.value("command", as_absolute_path);
  const auto url = fields.value("url", as_url);
  const auto mailto = fields.value("mailto", as_mail_address);
  const int ways = int{fields.has("command")} + int{fields.has("url")} + int{fields.has("mailto")};
  if (ways != 1) {
    fields.error({"", fields.line(), fields.path()},
                 "exactly one of command, url and mailto has to say whom to tell");
  }
  if (command) {
    notify.way = Notify::Way::command;
    notify.target = *command;
    notify.line = fields.place("command").line;
    notify.element = fields.place("command").element;
  } else if (url) {
    notify.way = Notify::Way::url;
    notify.target = *url;
  } else if (mailto) {
    notify.way = Notify::Way::mailto;
    notify.target = *mailto;
  }
  fields.report_unknown();
  return notify;
}

std::string directory_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

/// A program that is not there yet may come, so that who could put it there is judged.
void check_trust_of_command(const Notify& notify, Report& report) {
  for (std::string path = notify.target;; path = directory_of(path)) {
    try {
      if (const auto fault = changeable_by_others(path)) {
        report.error(
            notify.line, notify.element,
            *fault + ": whoever can change this program could do anything as root; give it to root alone");
      }
      return;
    } catch (const SourceError& error) {
      if (path == notify.target) report.warning(notify.line, notify.element, error.what());
      if (path == "/") return;
    }
  }
}

}  // namespace

Daemon read_daemon(Fields fields) {
  Daemon daemon;
  daemon.jobs = read_jobs(fields);
  daemon.catalog = fields.value("catalog", as_absolute_path).value_or(daemon.catalog);
  daemon.control_socket = fields.value("control_socket", as_socket_path).value_or(daemon.control_socket);
  daemon.control_group = fields.value("control_group", as_text);
  daemon.metrics_file = fields.value("metrics_file", as_absolute_path);
  for (Fields& entry : fields.groups("notify")) daemon.notify.push_back(read_notify(entry));
  daemon.stale_after =
      fields.value("stale_after", AsDuration{minutes(1), 366 * one_day}).value_or(daemon.stale_after);
  if (daemon.jobs.empty()) {
    fields.warning({"", fields.line(), fields.path()},
                   "there is no job: the daemon would begin nothing by itself");
  }
  fields.report_unknown();
  return daemon;
}

void check_trust_of_commands(const Daemon& daemon, Report& report) {
  for (const Notify& notify : daemon.notify)
    if (notify.way == Notify::Way::command && !notify.target.empty()) check_trust_of_command(notify, report);
}

}  // namespace peerstage::config
