#include <algorithm>
#include <cstdlib>
#include <string>

#include "peers/failure.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/options.h"
#include "peers/ssh/pattern.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"
#include "tests/support/temporary_directory.h"

// A user's known_hosts or ssh configuration: a byte for which, and the text.

namespace peerstage::fuzz {
namespace {

using namespace peers::ssh;

const HostKey shown_key{"web1", "ssh-ed25519",
                        "AAAAC3NzaC1lZDI1NTE5AAAAIJ+PgzLMTfhMA4sWvxtyiUlnJEwxsJDoxFvWVtVX1Hqj", ""};

void check_known_hosts(const std::string& text) {
  const HostKeyJudgement judgement = judge({{"/known_hosts", text}}, shown_key);
  const bool is_known = judgement.verdict != HostKeyVerdict::unknown;
  expect(is_known == (judgement.line > 0), "what is known of a host stands in a line");
  expect(judgement.line <= std::ranges::count(text, '\n') + 1, "the line is one of the file");
  const bool has_key = text.find(shown_key.base64) != std::string::npos;
  if (judgement.verdict == HostKeyVerdict::ok || judgement.verdict == HostKeyVerdict::revoked)
    expect(has_key, "a key is known by its bytes alone");
  for (const std::string& note : judgement.notes) expect(is_safe_line(note), "a note can be printed");
  expect(is_safe_line(judgement.known_fingerprint), "a fingerprint can be printed");
  const auto types = known_key_types({{"/known_hosts", text}}, shown_key.host_pattern);
  if (judgement.verdict == HostKeyVerdict::ok) expect(!types.empty(), "a key that is known has a type");
  fingerprint(text);
}

void check_options(const ConnectionOptions& options) {
  expect(options.port.number > 0 && !options.host.empty(),
         "a machine that can be reached has a name and a port");
  expect(options.connect_timeout.count() > 0 && options.idle_timeout.count() > 0, "nothing waits for ever");
  expect(!options.ciphers.empty() && !options.key_exchanges.empty() && !options.macs.empty() &&
             !options.host_key_algorithms.empty(),
         "something is offered of everything");
  for (const std::string& note : options.notes) expect(is_safe_line(note), "a note can be printed");
}

void check_configuration(const std::string& text) {
  // What is on this machine is not to be looked for.
  if (lower_case(text).find("include") != std::string::npos) return;
  static const test::TemporaryDirectory home;
  static const bool without_agent = ::unsetenv("SSH_AUTH_SOCK") == 0;
  expect(without_agent, "there is no agent");
  home.write(".ssh/config", text);
  config::SshSettings settings;
  settings.host = "web1";
  try {
    check_options(
        resolve_options(settings, {"backup", home.path().string()}, {"~/.ssh/config", "/dev/null"}));
  } catch (const peers::PeerError& error) {
    expect(error.kind() == peers::FailureKind::permanent && is_safe_line(error.what()),
           "what cannot be understood is refused with a sentence");
  }
}

void run(std::string_view input) {
  Choices choices(input);
  const bool is_configuration = choices.flag();
  const std::string text(choices.rest());
  is_configuration ? check_configuration(text) : check_known_hosts(text);
}

const Target target("ssh_files", run);

}  // namespace
}  // namespace peerstage::fuzz
