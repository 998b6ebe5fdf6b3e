#include "daemon/actions/managed_action.h"

#include <algorithm>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "daemon/asio_timeline.h"
#include "daemon/confine.h"
#include "daemon/interruptible_loop.h"
#include "daemon/message_ids.h"
#include "daemon/readable.h"
#include "daemon/stage_run.h"
#include "daemon/termination.h"
#include "daemon/worker_processes.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using peers::EventLevel;

/// Writes it into the log, shows what is done, keeps the verdict and ends the loop.
class ManagedWatch final : public ManagedObserver {
 public:
  ManagedWatch(const ActionContext& context, std::string action, boost::asio::io_context& loop)
      : log_(context.log),
        screen_(context.screen),
        style_(progress_style(context.command.progress, context.command.verbosity, context.screen)),
        action_(std::move(action)),
        run_(new_run_id(std::chrono::system_clock::now())),
        loop_(loop) {}

  void begun(const ManagedReport& report) override {
    for (const ManagedPeerReport& peer : report.peers) peers_.push_back(peer.name);
  }
  void action_begun(std::size_t peer) override {
    write(EventLevel::info, peer, "the managed action " + action_ + " begins");
  }
  void event(std::size_t peer, const WorkEvent& event) override { write(event.level, peer, event.text); }
  void put_off(std::size_t peer, const std::string& why, std::chrono::milliseconds delay) override {
    write(EventLevel::warning, peer, why + "; trying again in " + readable_duration(delay));
  }
  void finished(std::size_t peer, const ManagedPeerReport& report) override {
    const ActionReport& action = report.action;
    const std::string time = ", " + readable_duration(action.duration);
    if (action.status == ActionReport::Status::ok)
      write(EventLevel::info, peer, "the managed action " + action_ + " is done" + time);
    else if (action.status != ActionReport::Status::failed)
      write(EventLevel::warning, peer, action.failure ? action.failure->message : to_string(action.status));
    else
      write(EventLevel::error, peer, action.failure ? action.failure->message : to_string(action.status),
            message_ids::peer_failed);
    if (style_ != ProgressStyle::none)
      screen_.line(report.name + ": " + action_ + " " + to_string(action.status) + time);
  }
  void ended(const ManagedReport& report) override {
    report_ = report;
    if (report.error) log_.error(report.error->message);
    loop_.stop();
  }

  ManagedReport take_report() { return std::move(report_); }

 private:
  void write(EventLevel level, std::size_t peer, const std::string& text, std::string_view message_id = {}) {
    log_.write(level, "peer " + peers_[peer] + ": " + text, {peers_[peer], run_, message_id});
  }

  Log& log_;
  Screen& screen_;
  ProgressStyle style_;
  std::string action_, run_;
  boost::asio::io_context& loop_;
  std::vector<std::string> peers_;
  ManagedReport report_;
};

bool has_peer(const std::vector<config::ConfiguredPeer>& peers, const std::string& name) {
  return std::ranges::find(peers, name, &config::ConfiguredPeer::name) != peers.end();
}

/// The first that was asked for by name and is nowhere in the configuration.
std::optional<std::string> unknown_peer(const config::Config& config, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const bool is_known = (config.peers && has_peer(*config.peers, name)) ||
                          (config.stage && has_peer(config.stage->peers, name));
    if (!is_known) return name;
  }
  return std::nullopt;
}

bool may_go_on(const ActionReport& action) {
  return action.begun && !action.exit_status && action.signal.empty();
}

ManagedActionResult result_of(const ManagedReport& report) {
  ManagedActionResult result{{exit_code(report), to_json(report), summary_table(report)}, {}};
  for (const ManagedPeerReport& peer : report.peers)
    if (may_go_on(peer.action)) result.may_go_on.insert(peer.name);
  return result;
}

ManagedActionResult refuse(const ActionContext& context, const std::string& action, RunError error) {
  context.log.error(error.message);
  ManagedReport report;
  report.action = action;
  report.error = std::move(error);
  return result_of(report);
}

ManagedReport run_managed(const ActionContext& context, const config::ManagedPlan& plan,
                          ManagedRequest request) {
  if (const std::string lacking = get_ready_to_confine(); !lacking.empty()) context.log.warning(lacking);
  const TerminationHeldBack termination;  // the loop sees those that wait
  boost::asio::io_context loop{1};
  AsioTimeline timeline(loop);
  ManagedWatch watch(context, request.action, loop);
  ManagedRun run(plan, std::move(request), timeline, watch, worker_processes(loop));
  run.start();
  run_interruptibly(loop, [&run] { run.interrupt(); });
  return watch.take_report();
}

/// Nobody is asked for anything.
ManagedActionResult tell_what_would_be(const ActionContext& context, const config::ManagedPlan& plan,
                                       const ManagedRequest& request) {
  ManagedReport report;
  report.action = request.action;
  for (const config::StagePeer& peer : plan.peers) {
    const bool is_wanted =
        request.peers.empty() || std::ranges::find(request.peers, peer.name) != request.peers.end();
    if (!is_wanted || std::ranges::find(peer.managed_actions, request.action) == peer.managed_actions.end())
      continue;
    context.log.write(EventLevel::info,
                      "peer " + peer.name + ": dry run: the managed action " + request.action + " is not run",
                      {peer.name, {}, {}});
  }
  return result_of(report);
}

}  // namespace

ManagedActionResult managed_action(const ActionContext& context, const config::ManagedPlan& plan,
                                   ManagedRequest request) {
  if (const auto name = unknown_peer(context.config, context.command.peers)) {
    return refuse(context, request.action,
                  {RunError::Reason::command_line, "there is no peer " + peers::printable(*name)});
  }
  request.mode = context.command.full ? peers::ManagedMode::full : peers::ManagedMode::normal;
  request.peers = context.command.peers;
  if (context.command.dry_run) return tell_what_would_be(context, plan, request);
  return result_of(run_managed(context, plan, std::move(request)));
}

}  // namespace peerstage::daemon
