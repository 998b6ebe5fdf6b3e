#include "daemon/exec_worker.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/managed_step.h"
#include "daemon/worker_needs.h"
#include "daemon/worker_protocol.h"
#include "daemon/worker_start.h"
#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/local_command.h"
#include "peers/ssh/ssh_connection.h"

namespace peerstage::daemon {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// One command on its way through the worker.
class ExecAttempt {
 public:
  ExecAttempt(const ExecOrder& order, int records)
      : order_(order), command_(order.command), records_(records) {
    command_.output_limit = 1024;  // what it says is told at once; of this sudo's refusal is read
    command_.heard = [this](peers::CommandStream stream, std::string_view bytes) { tell(stream, bytes); };
  }

  WorkResult run() {
    try {
      if (order_.peer.ssh)
        run_remotely();
      else
        run_here();
    } catch (const peers::PeerError& error) {  // before it was begun
      return failed_work(error.kind(), error.what());
    }
    return {};
  }

  void send(const WorkRecord& record) const {
    const std::string bytes = encode(record);
    static_cast<void>(peers::write_whole(records_, std::as_bytes(std::span(bytes))));
  }

 private:
  void run_remotely() {
    confine_for_remote_peer();
    peers::ssh::SshConnection connection(order_.peer.name, *order_.peer.ssh, local_user());
    connection.log_in();
    for (const std::string& note : connection.take_notes()) send(WorkEvent{peers::EventLevel::info, note});
    finish([&] { return connection.run(command_); });
  }

  void run_here() {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != order_.supervisor)
      throw std::runtime_error("the supervisor is gone");
    finish([&] { return peers::run_local_command(command_); });
  }

  void confine_for_remote_peer() const {
    Confinement confinement;
    confinement.supervisor = order_.supervisor;
    if (order_.started_as_root) confinement.user = order_.user;
    confinement.network = Network::allowed;
    confinement.needs = [this] {
      Needs needs;
      need_machine(needs, *order_.peer.ssh, local_user());
      return needs;
    };
    confine(confinement);
  }

  peers::ssh::LocalUser local_user() const { return {order_.user.name, order_.user.home}; }

  template <typename Run>
  void finish(const Run& run) const {
    send(WorkStepBegun{0});
    const auto start = SteadyClock::now();
    WorkStepEnded end = end_of(run);
    end.milliseconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count());
    send(end);
  }

  template <typename Run>
  static WorkStepEnded end_of(const Run& run) {
    WorkStepEnded end;
    try {
      const peers::CommandResult result = run();
      end.exit_status = result.exit_status;
      end.signal = plain_signal(result.signal);
      if (result.succeeded()) return end;
      end.failure = peers::FailureKind::permanent;
      end.message = "the command " + how_it_ended(result);
    } catch (const peers::PeerError& error) {
      end.failure = error.kind();
      end.message = error.what();
    }
    return end;
  }

  void tell(peers::CommandStream stream, std::string_view bytes) const {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), longest_output)))
      send(WorkOutput{stream, std::string(bytes.substr(0, longest_output))});
  }

  const ExecOrder& order_;
  peers::Command command_;
  int records_;
};

}  // namespace

void exec_on_peer(const ExecOrder& order, int records) {
  use_default_signals();
  ExecAttempt attempt(order, records);
  try {
    keep_only({records});
    attempt.send(attempt.run());
  } catch (const std::exception& error) {
    attempt.send(
        failed_work(peers::FailureKind::permanent, std::string("the worker gave up: ") + error.what()));
  }
  // Without destructors: a peer that hangs must not delay us, and the kernel closes everything.
  ::_exit(0);
}

}  // namespace peerstage::daemon
