#include "daemon/actions/findings_as.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using nlohmann::json;

// Messages are printable already, so they are valid UTF-8; names of files are made so on the way.
std::string packed(const std::vector<config::Finding>& findings) {
  json list = json::array();
  for (const config::Finding& each : findings) {
    list.push_back({each.severity == config::Severity::error, each.line, each.element, each.message});
  }
  return list.dump();
}

std::vector<config::Finding> unpacked(const std::string& text, const std::string& file) {
  std::vector<config::Finding> findings;
  for (const json& each : json::parse(text)) {
    const auto severity = each.at(0).get<bool>() ? config::Severity::error : config::Severity::warning;
    findings.push_back({severity, file, each.at(1).get<int>(), each.at(2).get<std::string>(),
                        each.at(3).get<std::string>()});
  }
  return findings;
}

/// In the child; what is written is the whole answer.
bool answer(const User& user, pid_t parent, int output, const std::function<void(config::Report&)>& check) {
  Confinement confinement;
  confinement.supervisor = parent;
  confinement.user = user;
  confinement.network = Network::allowed;  // to see whether there is an agent
  confinement.needs = reading_everything;
  confine(confinement);
  config::Report report{""};
  check(report);
  const std::string text = packed(report.findings());
  return peers::write_whole(output, std::as_bytes(std::span(text)));
}

std::string read_whole(int input) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = ::read(input, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::string ask_child(const User& user, const std::function<void(config::Report&)>& check) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("there is no pipe to be had");
  const peers::Descriptor input(ends[0]);
  peers::Descriptor output(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("there is no process to be had");
  if (child == 0) {
    bool is_answered = false;
    try {
      is_answered = answer(user, parent, output.get(), check);
    } catch (const std::exception& error) {
      const std::string text =
          json(std::string(error.what())).dump(-1, ' ', false, json::error_handler_t::replace);
      is_answered = peers::write_whole(output.get(), std::as_bytes(std::span(text)));
    }
    ::_exit(is_answered ? 0 : 1);
  }
  output.reset();
  std::string text = read_whole(input.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("the process that should make them died");
  return text;
}

}  // namespace

std::vector<config::Finding> findings_as(const User& user, const std::string& file,
                                         const std::function<void(config::Report&)>& check) {
  config::Report report{file};
  try {
    if (::geteuid() != 0) {
      check(report);
      return report.findings();
    }
    const std::string text = ask_child(user, check);
    const json parsed = json::parse(text);
    if (parsed.is_array()) return unpacked(text, file);
    throw std::runtime_error(parsed.get<std::string>());
  } catch (const std::exception& error) {
    report.error(
        0, "",
        "the checks could not be made as the user " + peers::printable(user.name) + ": " + error.what());
    return report.findings();
  }
}

}  // namespace peerstage::daemon
