#include "daemon/actions/purge_action.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "config/collect_plan.h"
#include "daemon/actions/action_log.h"
#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/termination.h"
#include "daemon/text_table.h"
#include "daemon/user.h"
#include "peers/collect/collect.h"
#include "peers/purge/purge.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace purge = peers::purge;
using peers::counted;

void add_local(const std::vector<config::ConfiguredPeer>& peers, std::vector<std::string>& directories) {
  for (const config::ConfiguredPeer& peer : peers) {
    if (peer.type == config::PeerType::local) directories.push_back(peer.collect_dir);
  }
}

purge::PurgeOptions options_of(const config::Config& config, const RunCommand& command) {
  purge::PurgeOptions options;
  options.directories = config.purge->directories;
  if (config.collect) options.collect_dirs.push_back(config.collect->collect_dir);
  if (config.peers) add_local(*config.peers, options.collect_dirs);
  if (config.stage) {
    add_local(config.stage->peers, options.collect_dirs);
    options.staging_dir = config.stage->staging_dir;
  }
  options.lasting = {config.options.working_dir};
  options.unstaged = config.peerstage.purge.unstaged;
  options.now = std::chrono::system_clock::now();
  options.dry_run = command.dry_run;
  options.cancelled = termination_is_waiting;
  return options;
}

std::uint64_t failures_of(const purge::DirectoryReport& report) {
  return report.failures.size() + report.more_failures;
}

ExitCode exit_code(const purge::PurgeReport& report) {
  if (report.cancelled) return ExitCode::interrupted;
  const bool has_failed =
      std::ranges::any_of(report.directories, [](const auto& each) { return failures_of(each) > 0; });
  return has_failed ? ExitCode::peer_failed : ExitCode::ok;
}

const char* status(ExitCode code) {
  if (code == ExitCode::ok) return "ok";
  if (code == ExitCode::interrupted) return "interrupted";
  return code == ExitCode::peer_failed ? "failed" : "error";
}

Json removals_object(const std::vector<purge::Removal>& removals) {
  Json list = Json::array();
  for (const purge::Removal& each : removals) {
    list.push_back({{"type", to_string(each.kind)},
                    {"path", peers::printable(each.path)},
                    {"bytes", each.bytes},
                    {"age_days", each.age_days}});
  }
  return list;
}

Json directory_object(const purge::DirectoryReport& report, bool is_dry) {
  Json object{{"path", peers::printable(report.path)},
              {"retain_days", report.retain_days},
              {"files", report.files},
              {"bytes", report.bytes},
              {"directories", report.directories},
              {"kept_unstaged", report.kept_unstaged},
              {"failures", report.failures},
              {"more_failures", report.more_failures}};
  if (is_dry) object["would_remove"] = removals_object(report.removals);
  return object;
}

std::string document(const purge::PurgeReport& report, ExitCode code, const Json& error, bool is_dry) {
  Json directories = Json::array();
  for (const auto& each : report.directories) directories.push_back(directory_object(each, is_dry));
  return document_text({{"version", 1},
                        {"status", status(code)},
                        {"error", error},
                        {"dry_run", is_dry},
                        {"directories", std::move(directories)}});
}

std::string table(const purge::PurgeReport& report, bool is_dry) {
  TextTable table({{"directory", Align::left},
                   {"days", Align::right},
                   {is_dry ? "would remove" : "removed", Align::right},
                   {"size", Align::right},
                   {"directories", Align::right},
                   {"not staged", Align::right},
                   {"failures", Align::right}});
  for (const auto& each : report.directories) {
    table.add({peers::printable(each.path), std::to_string(each.retain_days), std::to_string(each.files),
               readable_size(each.bytes), std::to_string(each.directories),
               std::to_string(each.kept_unstaged), std::to_string(failures_of(each))});
  }
  return table.text();
}

void log_result(const purge::PurgeReport& report, bool is_dry, Log& log) {
  for (const auto& each : report.directories) {
    log.info(std::string(is_dry ? "would purge " : "purged ") + peers::printable(each.path) +
             ", what was not used for " + counted(static_cast<std::uint64_t>(each.retain_days), "day") +
             ": " + counted(each.files, "file") + " (" + readable_size(each.bytes) + ") and " +
             std::to_string(each.directories) + (each.directories == 1 ? " directory, " : " directories, ") +
             counted(failures_of(each), "failure"));
  }
  if (report.cancelled) log.error("the purge was interrupted; what was not reached is still there");
}

ActionResult refused(const std::string& why, bool is_dry, Log& log) {
  log.error(why);
  return {ExitCode::error, document({}, ExitCode::error, why, is_dry), ""};
}

/// The marks may go; what they say about the last collect must not be lost with them.
void note_what_is_staged(const config::Config& config, peers::Observer& observer) {
  const auto plan = config::plan_collect(config);
  if (!plan) return;
  try {
    peers::collect::note_what_is_staged(*plan, owner_to_be(plan->backup_user, plan->backup_group), observer);
  } catch (const std::exception& error) {
    observer.event(peers::EventLevel::warning,
                   std::string("cannot note what a master has staged, so that the next incremental collect "
                               "begins further back: ") +
                       error.what());
  }
}

}  // namespace

ActionResult purge_action(const ActionContext& context) {
  const bool is_dry = context.command.dry_run;
  if (!context.config.purge) {
    const std::string file = peers::printable(context.config.file);
    return refused("cannot purge: " + file + " has no purge section", is_dry, context.log);
  }
  const TerminationHeldBack termination;  // looked for between two removals
  ActionLog observer(context.log);
  if (is_dry) context.log.info("dry run: nothing is changed anywhere");
  if (!is_dry) note_what_is_staged(context.config, observer);
  const purge::PurgeReport report = purge::purge(options_of(context.config, context.command), observer);
  log_result(report, is_dry, context.log);
  const ExitCode code = exit_code(report);
  return {code, document(report, code, nullptr, is_dry), table(report, is_dry)};
}

}  // namespace peerstage::daemon
