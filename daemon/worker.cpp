#include "daemon/worker.h"

#include <chrono>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/managed_step.h"
#include "daemon/worker_needs.h"
#include "daemon/worker_protocol.h"
#include "daemon/worker_start.h"
#include "peers/descriptor.h"
#include "peers/local_peer.h"
#include "peers/observer.h"
#include "peers/remote_peer.h"
#include "peers/staging/held_tree.h"

namespace peerstage::daemon {
namespace {

constexpr auto between_progress_records = std::chrono::milliseconds(100);
constexpr std::size_t bytes_of_files_at_once = 32U << 10U;

/// Tells the supervisor what happens. A supervisor that is gone takes us with it, so a failed write needs no
/// answer.
class RecordSender final : public peers::Observer {
 public:
  explicit RecordSender(int descriptor) : descriptor_(descriptor) {}

  void send(const WorkRecord& record) {
    waiting_ += encode(record);
    flush();
  }

  void planned(std::uint64_t files, std::uint64_t bytes) override { send(WorkPlanned{files, bytes}); }
  void progress(std::uint64_t files, std::uint64_t bytes) override {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_progress_ < between_progress_records) return;
    last_progress_ = now;
    send(WorkProgress{files, bytes});
  }
  void skipped(const std::string& name, const std::string& reason) override {
    send(WorkSkipped{name, reason});
  }
  void file(const peers::StagedFile& file) override {
    waiting_ += encode(work_file(file));
    if (waiting_.size() >= bytes_of_files_at_once) flush();
  }
  void event(peers::EventLevel level, const std::string& text) override { send(WorkEvent{level, text}); }

 private:
  void flush() {
    static_cast<void>(peers::write_whole(descriptor_, std::as_bytes(std::span(waiting_))));
    waiting_.clear();
  }

  int descriptor_;
  std::string waiting_;  ///< for its turn, so that thousands of files do not cost as many system calls
  std::chrono::steady_clock::time_point last_progress_;
};

WorkResult success(const peers::StagedTree& tree) {
  WorkResult result;
  result.change = tree.changed ? TreeChange::changed : TreeChange::unchanged;
  result.files = tree.files;
  result.bytes = tree.bytes;
  result.reused_files = tree.reused_files;
  return result;
}

/// A peer whose data was there already has its marker already, unless writing it failed the last time.
bool needs_marker(peers::Peer& peer, const peers::StagedTree& tree) {
  return tree.changed ||
         std::holds_alternative<peers::Failure>(peer.check_collect_indicator(peers::stage_indicator));
}

/// An attempt that did not come to its end may have told only some of the files, or told them to a supervisor
/// that died. What cannot be read here changes nothing for the peer.
void tell_files_of_day(const peers::staging::PeerPlace& place, peers::Observer& observer) {
  try {
    const auto day = place.peer_day();
    if (!day) return;
    for (const auto& [path, file] : peers::staging::read_held_tree(*day).files) {
      if (const auto staged = peers::staging::staged_file(path, file)) observer.file(*staged);
    }
  } catch (const peers::PeerError& error) {
    observer.event(peers::EventLevel::warning, error.what());
  }
}

WorkResult stage_peer(peers::Peer& peer, peers::staging::PeerPlace& place, peers::staging::RunMode mode,
                      peers::Observer& observer) {
  if (const auto ready = peer.check_collect_indicator();
      const auto* failed = std::get_if<peers::Failure>(&ready)) {
    return failed_work(failed->kind, failed->message);
  }
  const auto outcome = peer.stage(place, observer);
  if (const auto* failed = std::get_if<peers::Failure>(&outcome))
    return failed_work(failed->kind, failed->message);
  const auto& tree = std::get<peers::StagedTree>(outcome);
  WorkResult result = success(tree);
  if (mode == peers::staging::RunMode::dry_run || !needs_marker(peer, tree)) return result;
  if (!tree.changed) tell_files_of_day(place, observer);
  const auto marked = peer.write_stage_indicator();
  if (const auto* failed = std::get_if<peers::Failure>(&marked)) {
    result.failure = failed->kind;
    result.message = "the data is staged and complete, but the peer could not be told: " + failed->message +
                     "; the next run tries again";
  }
  return result;
}

bool is_dry(const WorkOrder& order) {
  return order.options.mode == peers::staging::RunMode::dry_run;
}

/// Of a local peer: by the program sha256sum.
bool asks_for_sums(const WorkOrder& order) {
  return order.options.verify == config::Verify::checksum;
}

peers::ssh::LocalUser local_user(const WorkOrder& order) {
  return {order.user.name, order.user.home,
          is_dry(order) ? peers::ssh::NewHostKeys::forgotten : peers::ssh::NewHostKeys::remembered};
}

/// Every way in which the order needs the machine; none for a local peer that nothing is asked to do.
std::vector<config::SshSettings> ways(const WorkOrder& order) {
  std::vector<config::SshSettings> found;
  if (order.peer.ssh) found.push_back(*order.peer.ssh);
  const bool is_managed = !order.before.empty() || !order.after.empty();
  if (is_managed && order.peer.managed_ssh) found.push_back(*order.peer.managed_ssh);
  return found;
}

/// `ssh`: how to get there; absent: it is here.
std::unique_ptr<peers::Peer> make_peer(const WorkOrder& order, const std::optional<config::SshSettings>& ssh,
                                       unsigned connections) {
  peers::ConnectedPeer::Description description{order.peer.name, order.peer.collect_dir,
                                                order.peer.cback_command, order.options};
  if (!ssh) return std::make_unique<peers::LocalPeer>(description);
  return std::make_unique<peers::RemotePeer>(description, *ssh, local_user(order), connections);
}

/// What there is to do at the peer, in its order.
class Attempt {
 public:
  /// Without a place nothing is staged.
  Attempt(const WorkOrder& order, peers::staging::PeerPlace* place, RecordSender& sender)
      : order_(order), place_(place), sender_(sender) {}

  WorkResult run() {
    if (const auto failure = act(order_.before, 0)) return failed_work(failure->kind, failure->message);
    if (place_ == nullptr) return {};
    WorkResult result = order_.staged ? result_of(*order_.staged) : stage();
    if (result.failure || order_.after.empty() || goes_on_unwatched_) return result;
    if (!order_.staged) sender_.send(staged(result));
    if (const auto failure = act(order_.after, order_.before.size())) {
      result.failure = failure->kind;
      result.message = "the data is staged and complete, but " + failure->message;
    }
    return result;
  }

 private:
  WorkResult stage() {
    peer_ = make_peer(order_, order_.peer.ssh, order_.peer.staging.connections_per_peer);
    WorkResult result = stage_peer(*peer_, *place_, order_.options.mode, sender_);
    tell_notes();
    return result;
  }

  static WorkResult result_of(const WorkStaged& staged) {
    return {staged.change, staged.files, staged.bytes, staged.reused_files, {}, {}};
  }
  static WorkStaged staged(const WorkResult& result) {
    return {result.change, result.files, result.bytes, result.reused_files};
  }

  /// Does the actions that are left. A failure: the next one could not be begun, and may be tried again.
  std::optional<peers::Failure> act(const std::vector<std::string>& actions, std::size_t first_step) {
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const std::size_t step = first_step + i;
      if (order_.settled.contains(step)) continue;
      if (auto failure = act(actions[i], step)) return failure;
    }
    return std::nullopt;
  }

  /// Over a connection of its own: what an action did to the last one is nothing to whoever comes next.
  std::optional<peers::Failure> act(const std::string& action, std::size_t step) {
    if (!order_.peer.managed_ssh) throw std::logic_error("this peer is not managed");
    peer_ = make_peer(order_, order_.peer.managed_ssh, 1);
    const ManagedStep wanted{action, order_.managed_mode, order_.peer.managed_deadline};
    const auto outcome =
        run_managed_step(*peer_, wanted, sender_, [&] { sender_.send(WorkStepBegun{step}); });
    tell_notes();
    WorkStepEnded end;
    if (const auto* failure = std::get_if<peers::Failure>(&outcome)) {
      if (failure->kind == peers::FailureKind::transient) return *failure;
      end.failure = failure->kind;
      end.message = failure->message;
    } else {
      end = std::get<WorkStepEnded>(outcome);
      if (end.may_go_on()) goes_on_unwatched_ = true;
    }
    end.step = step;
    sender_.send(end);
    return std::nullopt;
  }

  void tell_notes() {
    for (const std::string& note : peer_->take_notes()) sender_.event(peers::EventLevel::info, note);
  }

  const WorkOrder& order_;
  peers::staging::PeerPlace* place_;
  RecordSender& sender_;
  std::unique_ptr<peers::Peer> peer_;
  bool goes_on_unwatched_ = false;  ///< something that may still change the peer's data
};

Needs needs_of(const WorkOrder& order, const peers::staging::PeerPlace* place) {
  Needs needs;
  if (place != nullptr) {
    for (const int directory : place->directories())
      needs.directories.emplace_back(directory, is_dry(order) ? FileAccess::read : FileAccess::change);
    if (place->before())
      needs.directories.emplace_back(place->before()->directory.descriptor(), FileAccess::read);
  }
  need_this_machine(needs);
  for (const config::SshSettings& ssh : ways(order)) need_machine(needs, ssh, local_user(order));
  if (order.peer.ssh) return needs;
  needs.paths.emplace_back(order.peer.collect_dir, is_dry(order) ? FileAccess::read : FileAccess::mark);
  if (asks_for_sums(order)) need_programs(needs);
  return needs;
}

void confine_for(const WorkOrder& order, const peers::staging::PeerPlace* place) {
  Confinement confinement;
  confinement.supervisor = order.supervisor;
  if (order.started_as_root) confinement.user = order.user;
  if (!order.peer.ssh) confinement.reach = Reach::local_files;
  if (!order.peer.ssh && asks_for_sums(order)) confinement.programs = Programs::allowed;
  if (!ways(order).empty()) confinement.network = Network::allowed;
  confinement.needs = [&] { return needs_of(order, place); };
  confine(confinement);
}

[[noreturn]] void work_at(const WorkOrder& order, peers::staging::PeerPlace* place,
                          const WorkDescriptors& descriptors) {
  use_default_signals();
  RecordSender sender(descriptors.supervisor);
  try {
    std::vector<int> kept = place != nullptr ? place->descriptors() : std::vector<int>();
    kept.insert(kept.end(), {descriptors.supervisor, descriptors.lock});
    keep_only(kept);
    confine_for(order, place);
    Attempt attempt(order, place, sender);
    sender.send(attempt.run());
    // Without destructors: a peer that hangs must not delay us, and the kernel closes everything.
    ::_exit(0);
  } catch (const std::exception& error) {
    sender.send(
        failed_work(peers::FailureKind::permanent, std::string("the worker gave up: ") + error.what()));
  }
  ::_exit(0);
}

}  // namespace

void work(const WorkOrder& order, peers::staging::PeerPlace& place, const WorkDescriptors& descriptors) {
  work_at(order, &place, descriptors);
}

void work_without_staging(const WorkOrder& order, const WorkDescriptors& descriptors) {
  work_at(order, nullptr, descriptors);
}

}  // namespace peerstage::daemon
