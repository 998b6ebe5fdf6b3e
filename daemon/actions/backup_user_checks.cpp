#include "daemon/actions/backup_user_checks.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "config/stage_plan.h"
#include "daemon/actions/access.h"
#include "peers/failure.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/options.h"
#include "peers/ssh/small_file.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace ssh = peers::ssh;
using peers::printable;

/// The plan of these peers, whether they are what the stage action would stage or not. What is wrong with
/// their commands was found before.
std::vector<config::StagePeer> plan_of(const config::Config& config,
                                       const std::vector<config::ConfiguredPeer>& peers) {
  config::Config alone = config;
  alone.peers = peers;
  if (!alone.stage) alone.stage.emplace();
  alone.stage->peers.clear();
  std::vector<config::Finding> found_before;
  auto plan = config::plan_stage(alone, found_before);
  return plan ? std::move(plan->peers) : std::vector<config::StagePeer>();
}

class RemoteChecks {
 public:
  RemoteChecks(const config::ConfiguredPeer& peer, const User& user, config::Report& report)
      : peer_(peer), user_(user), report_(report) {}

  void run(const config::SshSettings& settings) {
    try {
      const ssh::LocalUser local{user_.name, user_.home};
      const ssh::ConnectionOptions options = ssh::resolve_options(settings, local);
      check_keys(options);
      check_known_hosts(options);
    } catch (const peers::PeerError& error) {
      say(config::Severity::error, error.what());
    }
  }

 private:
  void say(config::Severity severity, const std::string& sentence) {
    report_.add(severity, peer_.line, peer_.element, "peer " + peer_.name + ": " + sentence);
  }

  /// Why a private key cannot be used, as a sentence; absent: it can be read, or (by default only) is not
  /// there.
  std::optional<std::string> key_problem(const std::string& path) const {
    try {
      if (ssh::read_secret_file(path)) return std::nullopt;
      return "the key " + printable(path) + " does not exist";
    } catch (const peers::PeerError& error) {
      return error.what();
    }
  }

  void check_keys(const ssh::ConnectionOptions& options) {
    const bool is_configured = !options.identity_files.empty();
    const auto& files = is_configured ? options.identity_files : options.default_identity_files;
    bool is_usable = has_agent(options);
    std::vector<std::string> problems;
    for (const std::string& path : files) {
      if (auto problem = key_problem(path)) {
        problems.push_back(std::move(*problem));
      } else {
        is_usable = true;
      }
    }
    const auto severity = is_usable ? config::Severity::warning : config::Severity::error;
    if (is_configured) {
      for (const std::string& problem : problems) say(severity, problem);
    } else if (!is_usable) {
      say(severity,
          "the user " + printable(user_.name) +
              " has no key that could be read and no agent to log in with; make one with ssh-keygen, or name "
              "one in identity_file");
    }
  }

  static bool has_agent(const ssh::ConnectionOptions& options) {
    struct stat status {};
    return options.identity_choice == ssh::IdentityChoice::all && !options.agent_socket.empty() &&
           ::stat(options.agent_socket.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
  }

  void check_known_hosts(const ssh::ConnectionOptions& options) {
    std::vector<std::string> paths = options.user_known_hosts;
    paths.insert(paths.end(), options.global_known_hosts.begin(), options.global_known_hosts.end());
    const auto files = ssh::read_known_hosts(paths);
    if (options.host_key_policy != config::HostKeyPolicy::strict) return;
    if (!ssh::known_key_types(files, options.known_host).empty()) return;
    std::string names;
    for (const std::string& path : paths) names += (names.empty() ? "" : ", ") + printable(path);
    say(config::Severity::error, "no host key of " + printable(options.known_host) + " is known (" + names +
                                     "), so it would be refused; run peerstage trust " + peer_.name);
  }

  const config::ConfiguredPeer& peer_;
  const User& user_;
  config::Report& report_;
};

void check_each(const config::Config& config, const std::vector<config::ConfiguredPeer>& peers,
                const User& user, config::Report& report) {
  for (const config::StagePeer& planned : plan_of(config, peers)) {
    if (!planned.ssh) continue;
    const auto peer = std::ranges::find(peers, planned.name, &config::ConfiguredPeer::name);
    if (peer != peers.end()) RemoteChecks(*peer, user, report).run(*planned.ssh);
  }
}

}  // namespace

void check_remote_peers(const config::Config& config, const User& user, config::Report& report) {
  if (config.peers) check_each(config, *config.peers, user, report);
  if (config.stage) check_each(config, config.stage->peers, user, report);
}

void check_staging_dir_of_backup_user(const config::Stage& stage, const User& user, config::Report& report) {
  const auto problem = directory_problem(stage.staging_dir, R_OK | W_OK | X_OK);
  if (!problem || *problem == "does not exist") return;
  report.warning(
      stage.line, "stage/staging_dir",
      "as the backup user " + printable(user.name) + ", the staging directory " +
          printable(stage.staging_dir) + " " + *problem +
          "; peerstage stages all the same, but cback3 and tools that run as this user cannot work there");
}

}  // namespace peerstage::daemon
