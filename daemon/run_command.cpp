#include "daemon/run_command.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "config/load.h"
#include "config/managed_plan.h"
#include "config/stage_plan.h"
#include "daemon/actions/action_plan.h"
#include "daemon/actions/action_sequence.h"
#include "daemon/check.h"
#include "daemon/diagnostics.h"
#include "daemon/log.h"
#include "daemon/report.h"
#include "daemon/screen.h"
#include "daemon/stage_action.h"
#include "daemon/user.h"
#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

bool is_stage(const ActionItem& item) {
  return is_builtin_here(item, "stage");
}

bool is_validate(const ActionItem& item) {
  return is_builtin_here(item, "validate");
}

bool is_for_peers(const ActionItem& item) {
  return item.place == ActionPlace::peers;
}

/// Nothing but one stage action has a document of its own.
bool is_only_stage(const std::vector<ActionItem>& items) {
  return items.size() == 1 && is_stage(items.front());
}

std::string listed(const std::vector<ActionItem>& items) {
  std::string text;
  for (const ActionItem& item : items) {
    text += (text.empty() ? "" : ", ") + item.name;
    if (item.place == ActionPlace::peers) text += " on the managed peers";
  }
  return text;
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
    try {
      return act(*loaded.config, loaded.findings);
    } catch (const ActionError& error) {
      loaded.findings.push_back({config::Severity::error, "", 0, "", error.what()});
      return refuse(loaded.findings);
    }
  }

  ExitCode act(const config::Config& config, std::vector<config::Finding>& findings) {
    const auto items = plan_actions(command_.actions, config, command_.managed);
    const bool is_staged = std::ranges::any_of(items, is_stage);
    ActionSequence::Plans plans;
    if (is_staged || std::ranges::any_of(items, is_validate))
      plans.stage = config::plan_stage(config, findings);
    if (is_staged && config::has_errors(findings)) return refuse(findings);
    if (std::ranges::any_of(items, is_for_peers)) {
      plans.managed = config::plan_managed(config, findings);
      if (!plans.managed) return refuse(findings);
    }
    log_findings(findings);
    if (const auto why = cannot_begin(items, config)) return refuse_run(items, why->code, why->message);

    log_.info("Actions: " + listed(items));
    const ActionContext context{config, command_, log_, screen_};
    ActionSequence sequence(context, plans);
    sequence.run(items);
    const ExitCode code = exit_code(sequence.done());
    if (!command_.json) return code;
    return print(
        is_only_stage(items) ? sequence.done().back().result.json : actions_json(sequence.done(), code, ""),
        code);
  }

  struct Refusal {
    ExitCode code;
    std::string message;
  };

  /// One action alone says itself what it lacks.
  std::optional<Refusal> cannot_begin(const std::vector<ActionItem>& items,
                                      const config::Config& config) const {
    const auto is_program = [](const ActionItem& item) { return item.extension != nullptr; };
    if (command_.dry_run && std::ranges::any_of(items, is_program)) {
      return Refusal{ExitCode::command_line,
                     "--dry-run has no meaning for an extension: nobody knows what its program would change"};
    }
    const std::string missing = missing_section(items, config);
    if (missing.empty() || (items.size() == 1 && !is_only_stage(items))) return std::nullopt;
    return Refusal{ExitCode::error, missing};
  }

  ExitCode refuse_run(const std::vector<ActionItem>& items, ExitCode code, const std::string& why) {
    log_.error(why);
    if (!command_.json) return code;  // the log has told people
    return print(is_only_stage(items) ? to_json(refused_stage(why)) : actions_json({}, code, why), code);
  }

  ExitCode print(const std::string& document, ExitCode code) {
    // A stream would take an interruption for the end.
    std::cout << std::flush;
    const bool is_told = std::cout && peers::write_whole(STDOUT_FILENO, std::as_bytes(std::span(document)));
    return is_told ? code : verdict_lost(code);
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
