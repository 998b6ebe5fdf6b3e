#include "daemon/service/local_actions.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <boost/filesystem/operations.hpp>

#include "daemon/service/child_command.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;

// A full collect of a large machine is long; one that is still there after days hangs.
constexpr auto deadline = std::chrono::hours(72);
constexpr std::size_t longest_last_words = 500;

/// What a program of ours needs to know of the world: the zone above all, it decides what is a day.
std::vector<std::string> environment() {
  std::vector<std::string> variables;
  for (const char* name :
       {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LC_ALL", "XDG_STATE_HOME"}) {
    if (const char* value = std::getenv(name)) variables.push_back(std::string(name) + "=" + value);
  }
  return variables;
}

std::vector<std::string> words(const std::string& config_file, const LogFile& log, const std::string& action,
                               bool full) {
  std::vector<std::string> result{"/proc/self/exe", "-c", config_file};
  if (log.path) result.insert(result.end(), {"-l", boost::filesystem::absolute(*log.path).string()});
  if (full) result.emplace_back("--full");
  result.push_back(action);
  return result;
}

std::string last_line(std::string output) {
  while (output.ends_with('\n')) output.pop_back();
  const auto start = output.rfind('\n');
  return peers::printable(start == std::string::npos ? output : output.substr(start + 1), longest_last_words);
}

ActionReport report_of(const std::string& action, const ChildResult& result, milliseconds duration) {
  ActionReport report;
  report.action = action;
  report.begun = result.end != ChildResult::End::not_started;
  report.duration = duration;
  if (result.end == ChildResult::End::exited) report.exit_status = result.number;
  if (result.end == ChildResult::End::by_signal) {
    const char* name = ::sigabbrev_np(result.number);
    report.signal = name != nullptr ? name : std::to_string(result.number);
  }
  report.status = result.succeeded() ? ActionReport::Status::ok : ActionReport::Status::failed;
  if (result.succeeded()) return report;
  const std::string said = last_line(result.output);
  report.failure = peers::Failure{peers::FailureKind::permanent,
                                  "the action " + action + " of this machine failed: " + to_string(result) +
                                      (said.empty() ? "" : "; the last that it said: " + said)};
  return report;
}

class ChildAction final : public LocalAction {
 public:
  ChildAction(boost::asio::io_context& loop, Timeline& timeline, ChildOrder order, const std::string& action,
              std::function<void(const ActionReport&)> done)
      : child_(loop, timeline, std::move(order),
               [&timeline, action, start = timeline.steady_now(),
                done = std::move(done)](const ChildResult& result) {
                 const auto duration =
                     std::chrono::duration_cast<milliseconds>(timeline.steady_now() - start);
                 done(report_of(action, result, duration));
               }) {}

 private:
  ChildCommand child_;
};

}  // namespace

BeginLocalAction local_actions(boost::asio::io_context& loop, Timeline& timeline,
                               const std::string& config_file, const LogFile& log) {
  const std::string path = boost::filesystem::absolute(config_file).string();  // a child runs in "/"
  return [&loop, &timeline, path, log](const std::string& action, bool full,
                                       std::function<void(const ActionReport&)> done) {
    ChildOrder order;
    order.body = run_program(words(path, log, action, full), environment());
    order.deadline = deadline;
    return std::make_unique<ChildAction>(loop, timeline, std::move(order), action, std::move(done));
  };
}

}  // namespace peerstage::daemon
