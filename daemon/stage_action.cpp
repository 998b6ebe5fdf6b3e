#include "daemon/stage_action.h"

#include <chrono>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "daemon/asio_timeline.h"
#include "daemon/interruptible_loop.h"
#include "daemon/run_log.h"
#include "daemon/run_observers.h"
#include "daemon/screen_progress.h"
#include "daemon/stage_run.h"
#include "daemon/termination.h"
#include "daemon/worker_processes.h"

namespace peerstage::daemon {
namespace {

/// Keeps the verdict, and ends the loop.
class LastWord final : public RunObserver {
 public:
  explicit LastWord(boost::asio::io_context& loop) : loop_(loop) {}
  void ended(const RunReport& report) override {
    report_ = report;
    loop_.stop();
  }
  RunReport take_report() { return std::move(report_); }

 private:
  boost::asio::io_context& loop_;
  RunReport report_;
};

StageRequest request_of(const RunCommand& command) {
  StageRequest request;
  request.id = new_run_id(std::chrono::system_clock::now());
  request.peers = command.peers;
  request.full = command.full;
  if (command.dry_run) request.mode = peers::staging::RunMode::dry_run;
  return request;
}

}  // namespace

RunReport stage_pool(const config::StagePlan& plan, const RunCommand& command, Log& log, Screen& screen) {
  const TerminationHeldBack termination;  // the loop sees those that wait
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  const StageRequest request = request_of(command);
  RunLog run_log(log, request.id, request.mode);
  ScreenProgress progress(screen, progress_style(command.progress, command.verbosity, screen), timeline);
  LastWord last_word(loop);
  RunObservers observers({&progress, &run_log, &last_word});
  StageRun run(plan, request, timeline, observers, worker_processes(loop));
  run.start();
  run_interruptibly(loop, [&run] { run.interrupt(); });
  return last_word.take_report();
}

RunReport refused_stage(const std::string& why) {
  RunReport report;
  report.started = std::chrono::system_clock::now();
  report.id = new_run_id(report.started);
  report.date = local_date(report.started);
  report.finished = report.started;
  report.error = RunError{RunError::Reason::unusable, why};
  return report;
}

}  // namespace peerstage::daemon
