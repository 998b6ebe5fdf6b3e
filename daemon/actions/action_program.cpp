#include "daemon/actions/action_program.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <limits>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/filesystem/operations.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"
#include "daemon/actions/output_lines.h"
#include "daemon/asio_timeline.h"
#include "daemon/interruptible_loop.h"
#include "daemon/service/child_command.h"
#include "daemon/termination.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

// A dump of a database takes as long as it takes.
constexpr auto no_deadline = std::chrono::hours(24 * 3650);

mode_t current_umask() {
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

std::string current_directory() {
  boost::system::error_code error;
  const auto directory = boost::filesystem::current_path(error);
  return error ? "/" : directory.string();
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& each : strings) result.push_back(each.data());
  result.push_back(nullptr);
  return result;
}

/// In the child. A directory that is gone is no reason to fail: "/" is where it is already.
int become(std::vector<std::string>& words, std::vector<std::string>& environment,
           const std::string& directory, mode_t mask) {
  ::umask(mask);
  static_cast<void>(::chdir(directory.c_str()) == 0);
  const std::vector<char*> arguments = pointers(words), variables = pointers(environment);
  ::execvpe(arguments.front(), arguments.data(), variables.data());
  std::cerr << "cannot run " << peers::printable(words.front(), 200) << ": " << std::strerror(errno)
            << std::endl;
  return 127;
}

ChildOrder order_for(const ActionProgram& program, OutputLines& lines) {
  ChildOrder order;
  order.body = [words = program.words, environment = program_environment(environ, program.variables),
                directory = current_directory(),
                mask = current_umask()]() mutable { return become(words, environment, directory, mask); };
  order.deadline = no_deadline;
  order.output_limit = 0;
  order.flood = std::numeric_limits<std::uint64_t>::max();
  order.leftovers = Leftovers::left_alone;
  order.heard = [&lines](std::string_view bytes) { lines.hear(bytes); };
  return order;
}

ChildResult run(ChildOrder order) {
  const TerminationHeldBack termination;  // the loop sees those that wait
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  ChildResult result;
  ChildCommand child(loop, timeline, std::move(order), [&](const ChildResult& ended) {
    result = ended;
    loop.stop();
  });
  run_interruptibly(loop, [&child] { child.end(); });
  return result;
}

ProgramEnd end_of(const ActionProgram& program, const ChildResult& result) {
  ProgramEnd end;
  if (result.end == ChildResult::End::exited) end.exit_status = result.number;
  if (result.succeeded()) return end;
  const bool interrupted = result.end == ChildResult::End::asked;
  end.code = interrupted ? ExitCode::interrupted : ExitCode::error;
  end.failure = program.what + (interrupted ? " was interrupted" : " failed: " + to_string(result));
  return end;
}

bool is_passed_on(std::string_view variable) {
  return !variable.starts_with("LC_") && !variable.starts_with("LANG=");
}

const char* yes_or_no(bool value) {
  return value ? "1" : "0";
}

}  // namespace

ProgramEnd run_action_program(const ActionProgram& program, const ActionContext& context) {
  Log& log = context.log;
  log.info("running " + program.what);
  std::function<void(const std::string&)> each;
  if (context.command.log_command_output) each = [&log](const std::string& line) { log.info("| " + line); };
  OutputLines lines(each);
  ProgramEnd end = end_of(program, run(order_for(program, lines)));
  lines.finish();
  if (end.code == ExitCode::error) {
    log.error(end.failure + (lines.last().empty() ? "; it printed nothing" : "; what it printed last:"));
    for (const std::string& line : lines.last()) log.error("| " + line);
  }
  return end;
}

std::map<std::string, std::string> run_variables(const std::string& action, const ActionContext& context) {
  const config::Config& config = context.config;
  std::map<std::string, std::string> variables{
      {"PEERSTAGE_ACTION", action},
      {"PEERSTAGE_CONFIG", config.file},
      {"PEERSTAGE_FULL", yes_or_no(context.command.full)},
      {"PEERSTAGE_WORKING_DIR", config.options.working_dir},
      {"PEERSTAGE_BACKUP_USER", config.options.backup_user},
      {"PEERSTAGE_BACKUP_GROUP", config.options.backup_group},
  };
  if (config.collect) variables["PEERSTAGE_COLLECT_DIR"] = config.collect->collect_dir;
  if (config.stage) variables["PEERSTAGE_STAGING_DIR"] = config.stage->staging_dir;
  return variables;
}

std::vector<std::string> program_environment(const char* const* inherited,
                                             const std::map<std::string, std::string>& variables) {
  std::vector<std::string> environment;
  for (; *inherited != nullptr; ++inherited) {
    const std::string variable = *inherited;
    if (variable.starts_with("LANG=")) environment.emplace_back("LANG=C");
    const bool replaced = variables.contains(variable.substr(0, variable.find('=')));
    if (is_passed_on(variable) && !replaced) environment.push_back(variable);
  }
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  return environment;
}

}  // namespace peerstage::daemon
