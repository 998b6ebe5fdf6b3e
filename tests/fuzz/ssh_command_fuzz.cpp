#include <algorithm>
#include <chrono>

#include "config/ssh_command.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// An <rcp_command> or <rsh_command>: a byte for which, and the text. It comes out of XML, so it is UTF-8
// without controls.

namespace peerstage::fuzz {
namespace {

using namespace config;

bool is_path(const std::string& path) {
  return path == "none" || path == "SSH_AUTH_SOCK" || (!path.empty() && path.find_first_of("/~%$") == 0);
}

void check_settings(const SshSettings& settings) {
  expect(!settings.port || settings.port->number > 0, "a port is at least 1");
  expect(std::ranges::all_of(settings.identity_files, is_path), "an identity file is found from everywhere");
  expect(std::ranges::all_of(settings.known_hosts, is_path), "known hosts are found from everywhere");
  expect(!settings.config_file || is_path(*settings.config_file), "a configuration is found from everywhere");
  expect(!settings.identity_agent || is_path(*settings.identity_agent), "an agent is found from everywhere");
  expect(!settings.connect_timeout || (*settings.connect_timeout >= std::chrono::seconds(1) &&
                                       *settings.connect_timeout <= std::chrono::days(1)),
         "a connect timeout is between a second and a day");
  for (const auto& list :
       {settings.ciphers, settings.key_exchanges, settings.macs, settings.host_key_algorithms})
    expect(!list || !list->empty(), "a list of algorithms that was named is not empty");
}

void run(std::string_view input) {
  Choices choices(input);
  const SshProgram program = choices.flag() ? SshProgram::ssh : SshProgram::scp;
  const std::string command(choices.rest());
  if (!is_utf8(command) || command.find('\0') != std::string::npos) return;
  for (const std::string& word : split_command(command)) {
    expect(!word.empty() && word.find('"') == std::string::npos, "a word is not empty and has no quotes");
    expect(command.find(word) != std::string::npos, "a word is a part of the command");
  }
  const SshCommand read = read_ssh_command(command, program);
  check_settings(read.settings);
  expect(program == SshProgram::scp || read.bandwidth_limit.bytes == 0, "ssh limits no bandwidth");
  for (const auto& notice : read.notices)
    expect(is_utf8(notice.message) && is_one_line(notice.message), "a notice is one line of UTF-8");
}

const Target target("ssh_command", run);

}  // namespace
}  // namespace peerstage::fuzz
