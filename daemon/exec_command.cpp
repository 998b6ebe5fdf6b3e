#include "daemon/exec_command.h"

#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "config/exec_plan.h"
#include "config/load.h"
#include "daemon/asio_timeline.h"
#include "daemon/check.h"
#include "daemon/confine.h"
#include "daemon/exec_display.h"
#include "daemon/exec_report.h"
#include "daemon/exec_run.h"
#include "daemon/interruptible_loop.h"
#include "daemon/termination.h"
#include "daemon/user.h"
#include "daemon/worker_processes.h"

namespace peerstage::daemon {
namespace {

/// What the document has of each stream of each peer.
constexpr std::size_t most_kept = 1U << 20U;

/// Keeps the verdict, and ends the loop.
class ExecEnd final : public ExecObserver {
 public:
  ExecEnd(ExecObserver& display, boost::asio::io_context& loop) : display_(display), loop_(loop) {}
  void begun(const ExecReport& report) override { display_.begun(report); }
  void output(std::size_t peer, const WorkOutput& output) override { display_.output(peer, output); }
  void event(std::size_t peer, const WorkEvent& event) override { display_.event(peer, event); }
  void finished(std::size_t peer, const ExecPeerReport& report) override { display_.finished(peer, report); }
  void ended(const ExecReport& report) override {
    display_.ended(report);
    report_ = report;
    loop_.stop();
  }
  const ExecReport& report() const { return report_; }

 private:
  ExecObserver& display_;
  boost::asio::io_context& loop_;
  ExecReport report_;
};

ExecRequest request_of(const ExecCommand& command, const config::ExecPlan& plan) {
  ExecRequest request;
  request.peers = command.peers;
  request.groups = command.groups;
  request.command.argv = command.argv;
  request.command.user = command.user.value_or("");
  request.command.deadline = command.timeout.value_or(plan.deadline);
  if (command.json) request.kept_output = most_kept;
  return request;
}

ExecStyle style_of(const ExecCommand& command) {
  if (command.json) return ExecStyle::silent;
  return command.gather ? ExecStyle::gathered : ExecStyle::as_it_comes;
}

ExitCode run(const ExecCommand& command, const config::ExecPlan& plan) {
  if (const std::string lacking = get_ready_to_confine(); !lacking.empty())
    std::cerr << "peerstage exec: " << lacking << '\n';
  const TerminationHeldBack termination;  // the loop sees those that wait
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  ExecDisplay display(style_of(command));
  ExecEnd end(display, loop);
  ExecRun exec(plan, request_of(command, plan), timeline, end, worker_processes(loop));
  exec.start();
  run_interruptibly(loop, [&exec] { exec.interrupt(); });
  const ExitCode code = exit_code(end.report());
  if (command.json) std::cout << to_json(end.report()) << std::flush;
  if (std::cout && display.is_whole()) return code;
  std::cerr << "peerstage exec: cannot write to the standard output; is the disk full?\n";
  return code == ExitCode::ok ? ExitCode::error : code;
}

}  // namespace

ExitCode exec_command(const ExecCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  auto loaded = config::load(path, started_as());
  std::optional<config::ExecPlan> plan;
  if (loaded.config) plan = config::plan_exec(*loaded.config, loaded.findings);
  if (!plan)
    return show_findings(path, loaded.findings, command.json ? FindingsFormat::json : FindingsFormat::text);
  return run(command, *plan);
}

}  // namespace peerstage::daemon
