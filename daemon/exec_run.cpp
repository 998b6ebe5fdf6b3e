#include "daemon/exec_run.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

#include <unistd.h>

#include "daemon/exec_worker.h"
#include "daemon/peer_outcome.h"
#include "daemon/supervisor.h"
#include "daemon/user.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using Status = ExecPeerReport::Status;
using std::chrono::milliseconds;

constexpr auto patience_for_the_dying = std::chrono::seconds(1);

/// A name on the command line that the configuration does not have.
class NoSuchPeer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void expect_known(const std::vector<std::string>& wanted, const std::set<std::string>& known,
                  const std::string& what) {
  for (const std::string& name : wanted) {
    if (known.contains(name)) continue;
    std::string all;
    for (const std::string& each : known) all += " " + each;
    throw NoSuchPeer("there is no " + what + " " + peers::printable(name) + "; the configuration has" +
                     (all.empty() ? " none" : ":" + all));
  }
}

std::vector<config::StagePeer> chosen(const std::vector<config::StagePeer>& all, const ExecRequest& request) {
  std::set<std::string> names, groups;
  for (const config::StagePeer& peer : all) {
    names.insert(peer.name);
    if (!peer.group.empty()) groups.insert(peer.group);
  }
  expect_known(request.peers, names, "peer");
  expect_known(request.groups, groups, "group");
  if (request.peers.empty() && request.groups.empty()) return all;
  std::vector<config::StagePeer> result;
  for (const config::StagePeer& peer : all) {
    const bool is_named = std::ranges::find(request.peers, peer.name) != request.peers.end();
    const bool is_in_group = std::ranges::find(request.groups, peer.group) != request.groups.end();
    if (is_named || is_in_group) result.push_back(peer);
  }
  return result;
}

}  // namespace

class ExecRun::Run final : public PoolObserver {
 public:
  Run(config::ExecPlan plan, ExecRequest request, Timeline& timeline, ExecObserver& observer,
      MakeWorkers make_workers)
      : plan_(std::move(plan)),
        request_(std::move(request)),
        timeline_(timeline),
        observer_(observer),
        make_workers_(std::move(make_workers)) {}

  void start() {
    next_ = timeline_.after(milliseconds(0), [this] { begin(); });
  }

  void interrupt() {
    if (is_over_) return;
    next_.reset();
    if (!supervisor_ || supervisor_->interrupt() == RunEnd::interrupted)
      report_.interruption = Interruption::by_signal;
    end();
  }

 private:
  void begin() {
    try {
      started_as_root_ = ::geteuid() == 0;
      user_ = started_as_root_ ? look_up_user(plan_.backup_user, plan_.backup_group) : calling_user();
      peers_ = chosen(plan_.peers, request_);
    } catch (const NoSuchPeer& error) {
      report_.error = RunError{RunError::Reason::command_line, error.what()};
    } catch (const std::runtime_error& error) {
      report_.error = RunError{RunError::Reason::unusable, error.what()};
    }
    if (report_.error) {
      end();
      return;
    }
    for (const config::StagePeer& peer : peers_) report_.peers.emplace_back().name = peer.name;
    begun_.resize(peers_.size());
    observer_.begun(report_);
    supervise();
  }

  void supervise() {
    std::vector<PoolPeer> pool;
    for (const config::StagePeer& peer : peers_) {
      PoolPeer& each = pool.emplace_back(PoolPeer{peer.staging, peer.group, 1});
      each.settings.deadline = {};  // that is for staging; a command has one of its own
      each.settings.retries = 0;    // somebody is waiting, and may have begun something
    }
    workers_ = make_workers_([this](std::size_t peer, const WorkerLink& link) { work_on(peer, link); });
    PoolLimits limits;
    limits.parallel = plan_.parallel_peers;
    limits.groups = plan_.group_limits;
    supervisor_.emplace(pool, std::move(limits), timeline_, *workers_, *this);
    supervisor_->start();
  }

  /// In the worker's process.
  void work_on(std::size_t peer, const WorkerLink& link) const {
    ExecOrder order{peers_[peer], user_, started_as_root_, supervisor_process_, request_.command};
    order.command.sudo = order.peer.sudo;
    // On this machine, too, it is the backup user's unless somebody else is asked for.
    if (!order.peer.ssh && started_as_root_ && order.command.user.empty()) {
      order.command.user = plan_.backup_user;
      order.command.group = plan_.backup_group;
    }
    exec_on_peer(order, link.records);
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
  void event(std::size_t peer, const WorkEvent& event) override { observer_.event(peer, event); }

  void step_begun(std::size_t peer, std::size_t) override {
    report_.peers[peer].was_begun = true;
    begun_[peer] = timeline_.steady_now();
  }

  void output(std::size_t peer, const WorkOutput& output) override {
    ExecPeerReport& report = report_.peers[peer];
    const bool error = output.stream == peers::CommandStream::error;
    (error ? report.error_bytes : report.output_bytes) += output.bytes.size();
    std::string& kept = error ? report.error_output : report.output;
    kept.append(output.bytes, 0, request_.kept_output - std::min(request_.kept_output, kept.size()));
    observer_.output(peer, output);
  }

  void step_ended(std::size_t peer, const WorkStepEnded& end) override {
    ExecPeerReport& report = report_.peers[peer];
    report.status = end.failure ? Status::failed : Status::ok;
    report.exit_status = end.exit_status;
    report.signal = end.signal;
    report.duration = milliseconds(end.milliseconds);
    report.error = end.message;
    is_ended_.insert(peer);
  }

  void put_off(std::size_t, const WorkResult&, milliseconds) override {}

  void finished(std::size_t peer, const PeerOutcome& outcome) override {
    ExecPeerReport& report = report_.peers[peer];
    if (!is_ended_.contains(peer)) {
      report.status = outcome.cancelled  ? Status::cancelled
                      : report.was_begun ? Status::failed
                                         : Status::unreachable;
      report.error = outcome.result.message;
      report.duration = outcome.elapsed;
      if (report.was_begun)
        report.duration = std::chrono::duration_cast<milliseconds>(timeline_.steady_now() - begun_[peer]);
    }
    observer_.finished(peer, report);
  }

  void held(std::optional<Timeline::Wall>) override {}
  void tick() override {}
  void over() override { end(); }

  const config::ExecPlan plan_;
  const ExecRequest request_;
  Timeline& timeline_;
  ExecObserver& observer_;
  MakeWorkers make_workers_;
  const pid_t supervisor_process_ = ::getpid();
  bool started_as_root_ = false, is_over_ = false;
  User user_;
  std::vector<config::StagePeer> peers_;  ///< as in the report
  std::vector<Timeline::Steady> begun_;   ///< when, of those that were
  std::set<std::size_t> is_ended_;        ///< the command itself
  ExecReport report_;
  std::unique_ptr<Alarm> next_;
  std::unique_ptr<Workers> workers_;
  std::optional<Supervisor> supervisor_;
};

ExecRun::ExecRun(config::ExecPlan plan, ExecRequest request, Timeline& timeline, ExecObserver& observer,
                 MakeWorkers make_workers)
    : run_(std::make_unique<Run>(std::move(plan), std::move(request), timeline, observer,
                                 std::move(make_workers))) {}
ExecRun::~ExecRun() = default;

void ExecRun::start() {
  run_->start();
}

void ExecRun::interrupt() {
  run_->interrupt();
}

}  // namespace peerstage::daemon
