#include "daemon/trust.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/filesystem/operations.hpp>
#include <boost/filesystem/path.hpp>
#include <unistd.h>

#include "config/exec_plan.h"
#include "config/load.h"
#include "config/stage_plan.h"
#include "daemon/check.h"
#include "daemon/confine.h"
#include "daemon/user.h"
#include "peers/failure.h"
#include "peers/ssh/ssh_connection.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace ssh = peers::ssh;

/// Whose host keys there are, and whose known hosts.
struct Acquaintances {
  std::string backup_user, backup_group;
  std::vector<config::StagePeer> peers;
};

/// Those that are staged, and then those on which commands are run only. Absent after an error, in
/// `findings`.
std::optional<Acquaintances> acquaintances(const config::Config& config,
                                           std::vector<config::Finding>& findings) {
  Acquaintances found{config.options.backup_user, config.options.backup_group, {}};
  std::vector<config::Finding> of_commands;
  if (config.stage) {
    const auto plan = config::plan_stage(config, findings);
    if (!plan) return std::nullopt;
    found.peers = plan->peers;
  }
  const auto plan = config::plan_exec(config, config.stage ? of_commands : findings);
  if (plan) found.peers.insert(found.peers.end(), plan->peers.begin(), plan->peers.end());
  if (!plan && !config.stage) return std::nullopt;
  return found;
}

const config::StagePeer& find_remote_peer(const Acquaintances& plan, const std::string& name) {
  const auto found = std::ranges::find(plan.peers, name, &config::StagePeer::name);
  if (found == plan.peers.end()) {
    throw std::runtime_error("there is no peer " + peers::printable(name) + " in the configuration");
  }
  if (!found->ssh) throw std::runtime_error("the peer " + name + " is local: it has no host key");
  return *found;
}

/// Becomes the user whose known_hosts it is, so that the file ends up his, whatever stands in his home.
User become_staging_user(const Acquaintances& plan) {
  if (::geteuid() != 0) return calling_user();
  User user = look_up_user(plan.backup_user, plan.backup_group);
  Confinement confinement;
  confinement.supervisor = ::getppid();
  confinement.user = user;
  confinement.network = Network::allowed;
  confinement.needs = [] {  // known_hosts may be anywhere; his own rights are the limit
    Needs needs;
    needs.paths.emplace_back("/", FileAccess::change);
    return needs;
  };
  confine(confinement);
  return user;
}

bool confirmed(const TrustCommand& command) {
  if (command.yes) return true;
  std::cout << "Compare it with what `ssh-keygen -lf` says of the key on that machine.\n"
               "Add it to the known hosts? [yes/no] "
            << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "yes" || answer == "y";
}

ExitCode settle(const TrustCommand& command, const config::StagePeer& peer, const User& user) {
  const ssh::LocalUser local{user.name, user.home};
  const ssh::HostKey key = ssh::probe_host_key(peer.name, *peer.ssh, local);
  const ssh::HostKeyJudgement judgement = ssh::judge_host_key(*peer.ssh, local, key);
  std::cout << key.host_pattern << " " << key.type << " " << key.fingerprint << '\n';
  switch (judgement.verdict) {
    case ssh::HostKeyVerdict::ok:
      std::cout << "This key is known already, from " << judgement.place() << ".\n";
      return ExitCode::ok;
    case ssh::HostKeyVerdict::revoked:
      throw std::runtime_error("this key is marked as revoked in " + judgement.place() + ": it is not added");
    case ssh::HostKeyVerdict::changed:
      throw std::runtime_error("another key is known for this host, " + judgement.known_fingerprint + " in " +
                               judgement.place() +
                               ": find out why it changed, remove that line, and run this command again");
    case ssh::HostKeyVerdict::unknown:
      break;
  }
  if (!confirmed(command)) {
    std::cout << "Nothing was changed.\n";
    return ExitCode::error;
  }
  const std::string file = ssh::trust_host_key(*peer.ssh, local, key);
  std::cout << "Added to " << peers::printable(file) << ".\n";
  return ExitCode::ok;
}

}  // namespace

ExitCode trust_peer(const TrustCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  auto loaded = config::load(path, started_as());
  std::optional<Acquaintances> plan;
  if (loaded.config) plan = acquaintances(*loaded.config, loaded.findings);
  if (!plan) return show_findings(path, loaded.findings, FindingsFormat::text);
  try {
    const config::StagePeer& peer = find_remote_peer(*plan, command.peer);
    return settle(command, peer, become_staging_user(*plan));
  } catch (const peers::PeerError& error) {
    std::cerr << "peerstage trust: " << error.what() << '\n';
    return ExitCode::peer_failed;
  } catch (const std::exception& error) {
    std::cerr << "peerstage trust: " << error.what() << '\n';
    return ExitCode::error;
  }
}

}  // namespace peerstage::daemon
