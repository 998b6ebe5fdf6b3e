#include "daemon/run_command.h"

#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include "config/load.h"
#include "config/stage_plan.h"
#include "daemon/actions/purge_action.h"
#include "daemon/actions/validate_action.h"
#include "daemon/check.h"
#include "daemon/diagnostics.h"
#include "daemon/log.h"
#include "daemon/progress.h"
#include "daemon/report.h"
#include "daemon/screen.h"
#include "daemon/stage_action.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

/// Why an action cannot be asked for; absent: it can.
std::optional<std::string> refusal(const RunCommand& command) {
  for (const std::string& action : command.actions) {
    if (action == "stage" || action == "purge" || action == "validate") continue;
    return "the action " + peers::printable(action) +
           " is unknown: this program does stage; for other actions of Cedar Backup run cback3 with the same "
           "configuration";
  }
  if (command.managed != Managed::local) {
    return std::string("managed actions cannot be run yet: leave out --managed and --managed-only");
  }
  return std::nullopt;
}

void warn_of_hooks(const config::Options& options, Log& log) {
  for (const auto* hooks : {&options.pre_action_hooks, &options.post_action_hooks}) {
    for (const config::Hook& hook : *hooks) {
      if (hook.action != "stage") continue;
      log.warning("the hook " + peers::printable(hook.command.value_or("")) +
                  " for the action stage is not run: this program does not run hooks yet");
    }
  }
}

class ActionRun {
 public:
  explicit ActionRun(const RunCommand& command)
      : command_(command),
        screen_(command.json ? STDERR_FILENO : STDOUT_FILENO),
        log_(command.log, screen_, screen_threshold(command.verbosity, command.log.threshold)) {}

  ExitCode run() {
    for (const std::string& line : diagnostics()) log_.info(line);
    const ExitCode code = load_and_act();
    log_.info("done with status " + std::to_string(static_cast<int>(code)));
    return code;
  }

 private:
  ExitCode load_and_act() {
    const std::string path = command_.config_path.value_or(config::default_path());
    log_.info("Configuration: " + peers::printable(path));
    config::LoadResult loaded = config::load(path, started_as());
    if (!loaded.config) return refuse(loaded.findings);
    const auto plan = config::plan_stage(*loaded.config, loaded.findings);
    if (config::has_errors(loaded.findings)) return refuse(loaded.findings);
    log_findings(loaded.findings);
    if (const auto why = refusal(command_)) {
      return refuse({{config::Severity::error, "", 0, "", *why}});
    }
    if (command_.actions.front() == "purge") return show(purge_action(context(*loaded.config)));
    if (command_.actions.front() == "validate") return show(validate_action(context(*loaded.config)));
    if (!plan) return refuse_stage("cannot stage: " + peers::printable(path) + " has no stage section");
    warn_of_hooks(loaded.config->options, log_);
    return stage(*plan);
  }

  /// As often as it was asked for, until a run is not a success; the last one is told.
  ExitCode stage(const config::StagePlan& plan) {
    RunReport report;
    for (std::size_t i = 0; i < command_.actions.size() && exit_code(report) == ExitCode::ok; ++i) {
      report = stage_pool(plan, command_, log_, screen_);
    }
    return show(report);
  }

  ActionContext context(const config::Config& config) { return {config, command_, log_, screen_}; }

  ExitCode show(const ActionResult& result) {
    std::cout << (command_.json ? result.json : result.table) << std::flush;
    return result.code;
  }

  ExitCode refuse_stage(const std::string& why) {
    log_.error(why);
    return show(refused_stage(why));
  }

  ExitCode show(const RunReport& report) {
    if (command_.json) {
      std::cout << to_json(report) << std::flush;
      if (!std::cout) return verdict_lost(exit_code(report));
    } else if (progress_style(command_.progress, command_.verbosity, screen_) != ProgressStyle::none) {
      std::cout << summary_table(report) << std::flush;
    }
    return exit_code(report);
  }

  /// Whoever waits for the document must not take silence for success.
  ExitCode verdict_lost(ExitCode code) {
    log_.error("cannot write the JSON document to the standard output; is the disk full?");
    return code == ExitCode::ok ? ExitCode::error : code;
  }

  ExitCode refuse(const std::vector<config::Finding>& findings) {
    log_findings(findings);
    if (command_.json) std::cout << findings_json(findings) << std::flush;
    return ExitCode::configuration;
  }

  void log_findings(const std::vector<config::Finding>& findings) {
    for (const config::Finding& finding : findings) {
      const bool is_error = finding.severity == config::Severity::error;
      log_.write(is_error ? peers::EventLevel::error : peers::EventLevel::warning, finding.text());
    }
  }

  const RunCommand& command_;
  Screen screen_;
  Log log_;
};

}  // namespace

ExitCode run_actions(const RunCommand& command) {
  try {
    return ActionRun(command).run();
  } catch (const LogError& error) {
    std::cerr << error.what() << '\n';
    return ExitCode::log;
  }
}

}  // namespace peerstage::daemon
