#include <set>

#include "config/daemon_section.h"
#include "config/sections.h"
#include "config/staging_values.h"

namespace peerstage::config {
namespace {

using std::chrono::milliseconds;

const AsOneOf<DailyIndicator> as_daily_indicator{{{"complete", DailyIndicator::complete},
                                                  {"any", DailyIndicator::any},
                                                  {"always", DailyIndicator::always}}};
const AsOneOf<HostKeyPolicy> as_host_key_policy{
    {{"strict", HostKeyPolicy::strict}, {"accept-new", HostKeyPolicy::accept_new}}};
const AsOneOf<ArchiveMode> as_archive_mode{{{"tar", ArchiveMode::tar},
                                            {"targz", ArchiveMode::targz},
                                            {"tarbz2", ArchiveMode::tarbz2},
                                            {"tarzst", ArchiveMode::tarzst}}};
const AsOneOf<ArchiveContent> as_archive_content{
    {{"whole", ArchiveContent::whole}, {"cedar", ArchiveContent::cedar}}};
const AsOneOf<IncompleteCollect> as_incomplete_collect{
    {{"withhold", IncompleteCollect::withhold}, {"mark", IncompleteCollect::mark}}};
const AsOneOf<UnstagedData> as_unstaged_data{
    {{"keep", UnstagedData::keep}, {"remove", UnstagedData::remove}}};
const AsDuration as_timeout{milliseconds(100), std::chrono::hours(24)};

PeerstageSection::Staging read_staging(Fields fields) {
  PeerstageSection::Staging staging;
  staging.parallel_peers = fields.value("parallel_peers", AsNumber{1, 1024});
  staging.daily_indicator = fields.value("daily_indicator", as_daily_indicator);
  staging.values = read_staging_values(fields);
  fields.report_unknown();
  return staging;
}

PeerstageSection::Ssh read_ssh(Fields fields) {
  PeerstageSection::Ssh ssh;
  ssh.port = fields.value("port", as_port);
  ssh.identity_file = fields.value("identity_file", as_user_path);
  ssh.known_hosts = fields.value("known_hosts", as_user_path);
  ssh.config_file = fields.value("config_file", as_config_file);
  ssh.host_key_policy = fields.value("host_key_policy", as_host_key_policy);
  ssh.ciphers = fields.value("ciphers", as_algorithms);
  ssh.compression = fields.value("compression", as_boolean);
  ssh.connect_timeout = fields.value("connect_timeout", as_timeout);
  ssh.idle_timeout = fields.value("idle_timeout", as_timeout);
  fields.report_unknown();
  return ssh;
}

PeerstageSection::Collect read_collecting(Fields fields) {
  PeerstageSection::Collect collect;
  collect.archive_mode = fields.value("archive_mode", as_archive_mode);
  collect.content = fields.value("content", as_archive_content).value_or(collect.content);
  collect.incomplete = fields.value("incomplete", as_incomplete_collect).value_or(collect.incomplete);
  fields.report_unknown();
  return collect;
}

PeerstageSection::Purge read_purging(Fields fields) {
  PeerstageSection::Purge purge;
  purge.unstaged = fields.value("unstaged", as_unstaged_data).value_or(purge.unstaged);
  fields.report_unknown();
  return purge;
}

PeerstageSection::Managed read_managed(Fields fields) {
  PeerstageSection::Managed managed;
  managed.deadline = fields.value("deadline", as_duration).value_or(managed.deadline);
  managed.sudo = fields.value("sudo", as_sudo).value_or(managed.sudo);
  fields.report_unknown();
  return managed;
}

std::vector<PeerstageSection::Group> read_groups(Fields& fields) {
  std::vector<PeerstageSection::Group> groups;
  std::set<std::string> names;
  for (Fields& entry : fields.groups("group")) {
    PeerstageSection::Group group;
    group.line = entry.line();
    group.element = entry.path();
    group.name = entry.required("name", as_group_name);
    group.parallel_peers = entry.value("parallel_peers", AsNumber{1, 1024}).value_or(group.parallel_peers);
    if (!group.name.empty() && !names.insert(group.name).second)
      entry.error(entry.place("name"), "another group has the name " + quoted(group.name) + " already");
    entry.report_unknown();
    groups.push_back(group);
  }
  return groups;
}

}  // namespace

PeerstageSection read_peerstage(Fields fields) {
  PeerstageSection section;
  if (auto staging = fields.group("staging")) section.staging = read_staging(*staging);
  if (auto ssh = fields.group("ssh")) section.ssh = read_ssh(*ssh);
  if (auto collect = fields.group("collect")) section.collect = read_collecting(*collect);
  if (auto purge = fields.group("purge")) section.purge = read_purging(*purge);
  if (auto managed = fields.group("managed")) section.managed = read_managed(*managed);
  section.groups = read_groups(fields);
  if (auto daemon = fields.group("daemon")) section.daemon = read_daemon(*daemon);
  fields.report_unknown();
  return section;
}

}  // namespace peerstage::config
