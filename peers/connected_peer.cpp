#include "peers/connected_peer.h"

#include <utility>

#include "peers/observer.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

/// Turns what the inside throws into the value that the outside gets.
template <typename Work>
auto as_outcome(Work work) -> Outcome<decltype(work())> {
  try {
    return work();
  } catch (const PeerError& error) {
    return error.failure();
  } catch (const std::exception& error) {
    return Failure{FailureKind::permanent, std::string("unexpected error: ") + error.what()};
  }
}

}  // namespace

ConnectedPeer::ConnectedPeer(Description description, std::unique_ptr<Connection> connection)
    : description_(std::move(description)), connection_(std::move(connection)) {}

std::string ConnectedPeer::in_collect_dir(const std::string& name) const {
  const std::string& directory = description_.collect_dir;
  return directory.back() == '/' ? directory + name : directory + "/" + name;
}

Outcome<Done> ConnectedPeer::check_collect_indicator(const std::string& indicator) {
  return as_outcome([&]() -> Done {
    const std::string path = in_collect_dir(indicator);
    const auto info = connection_->lstat(path);
    if (!info) {
      throw PeerError(FailureKind::not_ready, "the peer is not ready: there is no " + printable(path));
    }
    if (info->type != FileType::regular) {
      throw PeerError(FailureKind::not_ready, "the peer is not ready: " + printable(path) + " is a " +
                                                  to_string(info->type) + ", only a regular file counts");
    }
    return {};
  });
}

Outcome<StagedTree> ConnectedPeer::stage(staging::PeerPlace& place, Observer& observer) {
  return as_outcome([&] {
    return staging::stage_tree(*connection_, description_.collect_dir, place, description_.options, observer);
  });
}

Outcome<Done> ConnectedPeer::write_stage_indicator(const std::string& indicator) {
  return as_outcome([&]() -> Done {
    connection_->write_marker(in_collect_dir(indicator));
    return {};
  });
}

Outcome<CommandResult> ConnectedPeer::run(const Command& command) {
  return as_outcome([&] { return connection_->run(command); });
}

Outcome<CommandResult> ConnectedPeer::run_managed_action(const std::string& action, ManagedMode mode,
                                                         Command terms) {
  if (!description_.cback_command) {
    return Failure{FailureKind::permanent, "cannot run the managed action " + printable(action) +
                                               ": no cback_command is configured for this peer"};
  }
  terms.argv.clear();
  terms.shell_line = *description_.cback_command + (mode == ManagedMode::full ? " --full " : " ") + action;
  return run(terms);
}

}  // namespace peerstage::peers
