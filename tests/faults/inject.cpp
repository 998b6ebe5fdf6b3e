/// Runs a command and brings one fault about at its Nth counted system call:
///   inject REPORT FAULT N[:CALL] COMMAND...
/// REPORT is a descriptor on which one line of JSON says how many calls were counted and whether, where and
/// how often the fault came. FAULT: see fault.h. With `stop`, the line comes when nothing of the command
/// moves any more; at SIGTERM everything is killed. Ends as the command did; with 97 where no process may be
/// traced.
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "tests/faults/injection.h"

namespace peerstage::faults {
namespace {

constexpr int wrong_usage = 2, impossible = 97;

unsigned parse_number(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::invalid_argument("not a number: " + std::string(text));
  }
  return number;
}

Point parse_point(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {parse_number(text), ""};
  return {parse_number(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string quoted(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c == '"' || c == '\\' || c > '~') c = '?';
  }
  return '"' + text + '"';
}

void tell(int descriptor, const Findings& findings) {
  std::string line =
      "{\"calls\": " + std::to_string(findings.calls) + ", \"hits\": " + std::to_string(findings.hits);
  if (findings.first) {
    line += ", \"call\": " + quoted(findings.first->call) +
            ", \"subject\": " + quoted(findings.first->subject) +
            ", \"pid\": " + std::to_string(findings.first->process) +
            ", \"first_process\": " + (findings.first->is_first_process ? "true" : "false");
  }
  line += "}\n";
  if (::write(descriptor, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::system_error(errno, std::generic_category(), "cannot report");
  }
}

/// Says that all has stopped, and waits until it may end.
void tell_and_wait(int descriptor, const Findings& findings) {
  sigset_t end;
  ::sigemptyset(&end);
  ::sigaddset(&end, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &end, nullptr);
  tell(descriptor, findings);
  ::close(descriptor);
  int unused = 0;
  ::sigwait(&end, &unused);
}

int inject(char** arguments) {
  const auto report = static_cast<int>(parse_number(arguments[1]));
  if (::fcntl(report, F_SETFD, FD_CLOEXEC) != 0)
    throw std::invalid_argument("no such descriptor to report on");
  const Fault fault = parse_fault(arguments[2]);
  Injection injection(fault, parse_point(arguments[3]),
                      [report](const Findings& findings) { tell_and_wait(report, findings); });
  const int status = injection.run(arguments + 4);
  if (fault.action != Action::stop_everything || injection.findings().hits == 0)
    tell(report, injection.findings());
  return status;
}

}  // namespace
}  // namespace peerstage::faults

int main(int count, char** arguments) {
  if (count < 5) {
    std::fputs("usage: inject REPORT FAULT N[:CALL] COMMAND...\n", stderr);
    return peerstage::faults::wrong_usage;
  }
  try {
    return peerstage::faults::inject(arguments);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "inject: %s\n", error.what());
    return peerstage::faults::wrong_usage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "inject: %s\n", error.what());
    return peerstage::faults::impossible;
  }
}
