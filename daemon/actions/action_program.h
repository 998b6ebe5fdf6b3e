#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/actions/action_result.h"

/// Programs of the administrator's that are part of a run: hooks, and what extensions name.
namespace peerstage::daemon {

struct ActionProgram {
  std::string what;                ///< for a sentence: "the pre-action hook /bin/x for the action stage"
  std::vector<std::string> words;  ///< the first is found through PATH; no shell sees them
  std::map<std::string, std::string> variables;  ///< of its environment, beside those that it inherits
};

struct ProgramEnd {
  ExitCode code = ExitCode::ok;    ///< or `error`, or `interrupted`
  std::optional<int> exit_status;  ///< absent: it did not end by itself
  std::string failure;             ///< one sentence, not logged yet; empty: it succeeded
};

/// Runs a program to its end, in the directory and with the umask that we were started with, with an empty
/// standard input. What it prints is logged line by line if that was asked for; when it fails, its last lines
/// are logged as errors. SIGINT, SIGTERM and SIGHUP end it with its process group. Processes that it leaves
/// behind are left alone and not waited for. Blocks; does not throw.
ProgramEnd run_action_program(const ActionProgram& program, const ActionContext& context);

/// What a program gets to know of the run: PEERSTAGE_ACTION and its kin, see docs/actions.md.
std::map<std::string, std::string> run_variables(const std::string& action, const ActionContext& context);

/// The environment of a program: what we have without LC_*, with LANG=C if LANG was set, and the variables.
/// As "NAME=VALUE". `inherited` is like environ(7).
std::vector<std::string> program_environment(const char* const* inherited,
                                             const std::map<std::string, std::string>& variables);

}  // namespace peerstage::daemon
