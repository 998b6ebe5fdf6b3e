#include "daemon/managed_run.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <unistd.h>

#include "daemon/peer_actions.h"
#include "daemon/peer_outcome.h"
#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/supervisor.h"
#include "daemon/text_table.h"
#include "daemon/user.h"
#include "daemon/worker.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using Status = ActionReport::Status;
using std::chrono::milliseconds;

constexpr auto patience_for_the_dying = std::chrono::seconds(1);

bool any(const ManagedReport& report, Status status) {
  return std::ranges::any_of(
      report.peers, [status](const ManagedPeerReport& peer) { return peer.action.status == status; });
}

bool lists(const config::StagePeer& peer, const std::string& action) {
  return std::ranges::find(peer.managed_actions, action) != peer.managed_actions.end();
}

Json peer_object(const ManagedPeerReport& peer) {
  Json object = {{"name", peer.name}};
  object.update(action_object(peer.action));
  object.erase("action");
  return object;
}

std::string how(const ActionReport& action) {
  if (!action.signal.empty()) return action.signal;
  return action.exit_status ? std::to_string(*action.exit_status) : std::string("-");
}

}  // namespace

ExitCode exit_code(const ManagedReport& report) {
  if (report.interruption == Interruption::by_signal || any(report, Status::cancelled))
    return ExitCode::interrupted;
  if (report.error) {
    return report.error->reason == RunError::Reason::command_line ? ExitCode::command_line : ExitCode::error;
  }
  return any(report, Status::failed) ? ExitCode::peer_failed : ExitCode::ok;
}

std::string to_json(const ManagedReport& report) {
  Json document = {{"peers", Json::array()}};
  for (const ManagedPeerReport& peer : report.peers) document["peers"].push_back(peer_object(peer));
  if (report.error) document["error"] = report.error->message;
  return document_text(document);
}

std::string summary_table(const ManagedReport& report) {
  TextTable table({{"peer", Align::left},
                   {"action", Align::left},
                   {"status", Align::left},
                   {"exit", Align::right},
                   {"time", Align::right}});
  for (const ManagedPeerReport& peer : report.peers) {
    table.add({peer.name, report.action, to_string(peer.action.status), how(peer.action),
               readable_duration(peer.action.duration)});
  }
  std::string text = report.peers.empty() ? std::string() : table.text();
  for (const ManagedPeerReport& peer : report.peers)
    if (peer.action.failure) text += peer.name + ": " + peer.action.failure->message + "\n";
  if (report.error) text += report.error->message + "\n";
  return text;
}

class ManagedRun::Run final : public PoolObserver {
 public:
  Run(config::ManagedPlan plan, ManagedRequest request, Timeline& timeline, ManagedObserver& observer,
      MakeWorkers make_workers)
      : plan_(std::move(plan)),
        request_(std::move(request)),
        timeline_(timeline),
        observer_(observer),
        make_workers_(std::move(make_workers)) {
    report_.action = request_.action;
  }

  void start() {
    next_ = timeline_.after(milliseconds(0), [this] { begin(); });
  }

  void interrupt() {
    if (is_over_) return;
    next_.reset();
    const bool had_begun = supervisor_.has_value();
    if (!had_begun || supervisor_->interrupt() == RunEnd::interrupted)
      report_.interruption = Interruption::by_signal;
    end();
  }

 private:
  void begin() {
    try {
      find_user();
      select_peers();
    } catch (const std::runtime_error& error) {
      report_.error = RunError{RunError::Reason::unusable, error.what()};
      end();
      return;
    }
    observer_.begun(report_);
    for (std::size_t index = 0; index < peers_.size(); ++index) {
      const std::string& name = peers_[index].name;
      if (request_.only && !request_.only->contains(name))
        refuse(index, "the peer was not staged");
      else if (request_.busy.contains(name))
        refuse(index, "what was begun before may still be going on");
      else
        to_do_.push_back(index);
    }
    supervise();
  }

  void find_user() {
    started_as_root_ = ::geteuid() == 0;
    user_ = started_as_root_ ? look_up_user(plan_.backup_user, plan_.backup_group) : calling_user();
  }

  void select_peers() {
    const auto& wanted = request_.peers;
    for (config::StagePeer& peer : plan_.peers) {
      const bool is_wanted = wanted.empty() || std::ranges::find(wanted, peer.name) != wanted.end();
      if (!is_wanted || !lists(peer, request_.action)) continue;
      report_.peers.push_back({peer.name, {}});
      report_.peers.back().action.action = request_.action;
      peers_.push_back(std::move(peer));
    }
  }

  void refuse(std::size_t index, const std::string& why) {
    ActionReport& action = report_.peers[index].action;
    action.status = Status::refused;
    action.failure = peers::Failure{peers::FailureKind::permanent,
                                    "the managed action " + request_.action + " was not run: " + why};
    observer_.finished(index, report_.peers[index]);
  }

  void supervise() {
    std::vector<PoolPeer> pool;
    for (const std::size_t index : to_do_) {
      PoolPeer& peer = pool.emplace_back(PoolPeer{peers_[index].staging, peers_[index].group, 1});
      // That is a peer's time for being staged; an action has one of its own.
      peer.settings.deadline = {};
      actions_.emplace_back(std::vector<std::string>{request_.action}, std::vector<std::string>());
    }
    workers_ =
        make_workers_([this](std::size_t peer, const WorkerLink& link) { work_on(to_do_[peer], link); });
    PoolLimits limits;
    limits.parallel = plan_.parallel_peers;
    limits.groups = plan_.group_limits;
    supervisor_.emplace(pool, std::move(limits), timeline_, *workers_, *this);
    supervisor_->start();
  }

  /// In the worker's process.
  void work_on(std::size_t index, const WorkerLink& link) const {
    WorkOrder order;
    order.peer = peers_[index];
    order.user = user_;
    order.started_as_root = started_as_root_;
    order.supervisor = supervisor_process_;
    order.before = {request_.action};
    order.managed_mode = request_.mode;
    work_without_staging(order, {link.records, -1});
  }

  /// The last of all: the observer may destroy this.
  void end() {
    is_over_ = true;
    supervisor_.reset();
    if (workers_) workers_->settle(patience_for_the_dying);
    workers_.reset();
    observer_.ended(report_);
  }

  // What the supervisor tells.

  void started(std::size_t, unsigned) override {}
  void planned(std::size_t, const WorkPlanned&) override {}
  void progress(std::size_t, const WorkProgress&) override {}
  void event(std::size_t peer, const WorkEvent& event) override { observer_.event(to_do_[peer], event); }
  void step_begun(std::size_t peer, std::size_t step) override {
    actions_[peer].begin(step, timeline_.steady_now());
    observer_.action_begun(to_do_[peer]);
  }
  void step_ended(std::size_t peer, const WorkStepEnded& end) override { actions_[peer].end(end); }
  void put_off(std::size_t peer, const WorkResult& result, milliseconds delay) override {
    observer_.put_off(to_do_[peer], result.message, delay);
  }
  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    ManagedPeerReport& report = report_.peers[to_do_[peer]];
    report.action = actions_[peer].reports(outcome, timeline_.steady_now()).front();
    observer_.finished(to_do_[peer], report);
  }
  void held(std::optional<Timeline::Wall>) override {}
  void tick() override {}
  void over() override { end(); }

  config::ManagedPlan plan_;
  const ManagedRequest request_;
  Timeline& timeline_;
  ManagedObserver& observer_;
  MakeWorkers make_workers_;
  const pid_t supervisor_process_ = ::getpid();
  bool started_as_root_ = false, is_over_ = false;
  User user_;
  std::vector<config::StagePeer> peers_;  ///< as in the report
  std::vector<std::size_t> to_do_;        ///< their indices that the supervisor has
  std::vector<PeerActions> actions_;      ///< of those
  ManagedReport report_;
  std::unique_ptr<Alarm> next_;
  std::unique_ptr<Workers> workers_;
  std::optional<Supervisor> supervisor_;
};

ManagedRun::ManagedRun(config::ManagedPlan plan, ManagedRequest request, Timeline& timeline,
                       ManagedObserver& observer, MakeWorkers make_workers)
    : run_(std::make_unique<Run>(std::move(plan), std::move(request), timeline, observer,
                                 std::move(make_workers))) {}
ManagedRun::~ManagedRun() = default;

void ManagedRun::start() {
  run_->start();
}

void ManagedRun::interrupt() {
  run_->interrupt();
}

}  // namespace peerstage::daemon
