#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "peers/local_command.h"

/// Cedar Backup itself, where it is installed, asked through small scripts in this folder.
namespace peerstage::daemon {

inline peers::CommandResult run_python(const std::vector<std::string>& words, const std::string& input) {
  peers::Command command;
  command.argv = {"/usr/bin/python3", "-B"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.input = input;
  command.output_limit = 16U << 20U;
  return peers::run_local_command(command);
}

inline bool has_cedar() {
  return run_python({"-c", "import CedarBackup3.cli"}, "").succeeded();
}

/// The script's answers, one a line, to questions, one a line.
inline std::vector<std::string> ask_cedar(const std::string& script, const std::string& questions) {
  const auto answered = run_python({PEERSTAGE_TEST_DATA "/" + script}, questions);
  if (!answered.succeeded()) throw std::runtime_error(script + ": " + answered.error_output);
  std::istringstream output(answered.output);
  std::vector<std::string> answers;
  for (std::string line; std::getline(output, line);) answers.push_back(line);
  return answers;
}

}  // namespace peerstage::daemon
