#include "daemon/worker.h"

#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include <boost/filesystem/path.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/worker_protocol.h"
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

std::unique_ptr<peers::Peer> make_peer(const WorkOrder& order) {
  peers::ConnectedPeer::Description description{order.peer.name, order.peer.collect_dir,
                                                order.peer.cback_command, order.options};
  if (!order.peer.ssh) return std::make_unique<peers::LocalPeer>(description);
  const bool is_dry = order.options.mode == peers::staging::RunMode::dry_run;
  const peers::ssh::LocalUser user{
      order.user.name, order.user.home,
      is_dry ? peers::ssh::NewHostKeys::forgotten : peers::ssh::NewHostKeys::remembered};
  return std::make_unique<peers::RemotePeer>(description, *order.peer.ssh, user,
                                             order.peer.staging.connections_per_peer);
}

/// Where a worker may write beside the staging directory: a local peer's collect directory (the marker), and
/// the directories of the known_hosts files where new host keys are accepted. What does not exist is passed
/// over.
std::vector<peers::Descriptor> writable_elsewhere(const WorkOrder& order) {
  std::vector<std::string> paths;
  if (!order.peer.ssh) {
    paths.push_back(order.peer.collect_dir);
  } else if (order.peer.ssh->host_key_policy != config::HostKeyPolicy::strict) {
    paths.push_back(order.user.home + "/.ssh");
    for (const std::string& file : order.peer.ssh->known_hosts) {
      paths.push_back(boost::filesystem::path(file).parent_path().string());
    }
  }
  std::vector<peers::Descriptor> directories;
  for (const std::string& path : paths) {
    peers::Descriptor directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory) directories.push_back(std::move(directory));
  }
  return directories;
}

/// Returns what this kernel could not do.
std::string confine_for(const WorkOrder& order, const peers::staging::PeerPlace& place) {
  const std::vector<peers::Descriptor> elsewhere = writable_elsewhere(order);
  Confinement confinement;
  confinement.supervisor = order.supervisor;
  if (order.started_as_root) confinement.user = order.user;
  if (!order.peer.ssh) confinement.reach = Reach::local_files;
  if (!order.peer.ssh && order.options.verify == config::Verify::checksum)
    confinement.programs = Programs::allowed;
  confinement.writable = place.writable_directories();
  for (const peers::Descriptor& directory : elsewhere) confinement.writable.push_back(directory.get());
  return confine(confinement);
}

void use_default_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void work(const WorkOrder& order, peers::staging::PeerPlace& place, const WorkDescriptors& descriptors) {
  use_default_signals();
  RecordSender sender(descriptors.supervisor);
  try {
    std::vector<int> kept = place.descriptors();
    kept.insert(kept.end(), {descriptors.supervisor, descriptors.lock});
    keep_only(kept);
    const std::string lacking = confine_for(order, place);
    if (!lacking.empty()) sender.event(peers::EventLevel::debug, lacking);
    const auto peer = make_peer(order);
    const WorkResult result = stage_peer(*peer, place, order.options.mode, sender);
    for (const std::string& note : peer->take_notes()) sender.event(peers::EventLevel::info, note);
    sender.send(result);
  } catch (const std::exception& error) {
    sender.send(
        failed_work(peers::FailureKind::permanent, std::string("the worker gave up: ") + error.what()));
  }
  // Without destructors: a peer that hangs must not delay us, and the kernel closes everything.
  ::_exit(0);
}

}  // namespace peerstage::daemon
