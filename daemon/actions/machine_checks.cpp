#include "daemon/actions/machine_checks.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <boost/filesystem/path.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/ssh_command.h"
#include "config/stage_plan.h"
#include "daemon/actions/access.h"
#include "daemon/confine.h"
#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/staging/disk_space.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using config::Severity;
using peers::printable;

constexpr int reading = R_OK | X_OK;
constexpr int changing = R_OK | W_OK | X_OK;

/// "collect/dir[2]/abs_path"; the number is left out where there is one only, as for all findings.
std::string numbered(const std::string& element, std::size_t index, std::size_t count) {
  return count > 1 ? element + "[" + std::to_string(index + 1) + "]" : element;
}

/// As collecting judges: a link is archived as such, wherever it leads.
std::optional<std::string> problem_of_collected_file(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) return std::nullopt;
  if (auto problem = reading_problem(path)) return problem;
  if (S_ISREG(status.st_mode)) return std::nullopt;
  return "is neither a regular file nor a link (a directory belongs into a dir element)";
}

class MachineChecks {
 public:
  MachineChecks(const config::Config& config, config::Report& report) : config_(config), report_(report) {}

  void run() {
    check_kernel();
    check_options();
    check_extensions();
    if (config_.peers) check_local_peers(*config_.peers);
    if (config_.collect) check_collect(*config_.collect);
    if (config_.stage) check_stage(*config_.stage);
    if (config_.store) check_store(*config_.store);
    if (config_.purge) check_purge(*config_.purge);
    if (config_.peerstage.daemon) check_daemon(*config_.peerstage.daemon);
  }

 private:
  struct Place {
    std::string element;
    int line = 0;
  };

  void say(Severity severity, const Place& place, const std::string& subject,
           const std::optional<std::string>& problem, const char* advice) {
    if (problem) report_.add(severity, place.line, place.element, subject + " " + *problem + "; " + advice);
  }
  void want_directory(const Place& place, const char* what, const std::string& path, int rights,
                      const char* advice = "make it, mount it, or give the user that runs this the rights") {
    say(Severity::error, place, "the " + std::string(what) + " " + printable(path),
        directory_problem(path, rights), advice);
  }

  void check_kernel() {
    if (!config_.stage && !config_.peers) return;
    if (const std::string lacking = lacking_confinement(); !lacking.empty())
      report_.warning(0, "stage", lacking);
  }

  void check_options() {
    if (!config_.reference) {
      report_.warning(0, "reference",
                      "there is no reference section, which the documentation of Cedar Backup asks for");
    }
    want_directory({"options/working_dir"}, "working directory", config_.options.working_dir, changing);
    check_hooks("options/pre_action_hook", config_.options.pre_action_hooks);
    check_hooks("options/post_action_hook", config_.options.post_action_hooks);
  }

  void check_hooks(const std::string& element, const std::vector<config::Hook>& hooks) {
    for (std::size_t i = 0; i < hooks.size(); ++i) {
      const config::Hook& hook = hooks[i];
      if (!hook.action) continue;  // never runs
      const Place place{numbered(element, i, hooks.size())};
      const auto words = config::split_command(hook.command.value_or(""));
      if (words.empty()) {
        report_.error(0, place.element,
                      "the hook for the action " + *hook.action +
                          " has no command, so that action would fail; "
                          "give it one, or remove it");
        continue;
      }
      say(Severity::error, place,
          "the program " + printable(words.front()) + " of the hook for the action " + *hook.action,
          program_problem(words.front()), "install it, or correct the hook");
    }
  }

  void check_extensions() {
    if (!config_.extensions) return;
    const auto& actions = config_.extensions->actions;
    for (std::size_t i = 0; i < actions.size(); ++i) {
      const Place place{numbered("extensions/action", i, actions.size())};
      if (actions[i].command) {
        say(Severity::error, place,
            "the program " + printable(*actions[i].command) + " of the action " + actions[i].name,
            program_problem(*actions[i].command), "install it, or correct the command");
      } else {
        report_.warning(0, place.element,
                        "the action " + actions[i].name +
                            " is a Python function of Cedar Backup, which this "
                            "program cannot run; use cback3 for it, or give it a command");
      }
    }
  }

  void check_local_peers(const std::vector<config::ConfiguredPeer>& peers) {
    for (const config::ConfiguredPeer& peer : peers) {
      if (peer.type != config::PeerType::local) continue;
      const Place place{peer.element + "/collect_dir", peer.line};
      const std::string what =
          "collect directory " + printable(peer.collect_dir) + " of the local peer " + peer.name;
      say(Severity::error, place, "the " + what, directory_problem(peer.collect_dir, reading),
          "make it, mount it, or give the user that runs this the rights");
      if (directory_problem(peer.collect_dir, reading)) continue;
      say(Severity::error, place, "the " + what, directory_problem(peer.collect_dir, changing),
          "staging has to mark it there");
    }
  }

  void check_collect(const config::Collect& collect) {
    want_directory({"collect/collect_dir"}, "collect directory", collect.collect_dir, changing);
    const char* const advice = "correct the configuration, or what is collected will lack it";
    for (std::size_t i = 0; i < collect.files.size(); ++i) {
      const std::string& path = collect.files[i].abs_path;
      say(Severity::error, {numbered("collect/file", i, collect.files.size())},
          "the file to collect " + printable(path), problem_of_collected_file(path), advice);
    }
    for (std::size_t i = 0; i < collect.directories.size(); ++i) {
      want_directory({numbered("collect/dir", i, collect.directories.size())}, "directory to collect",
                     collect.directories[i].abs_path, reading, advice);
    }
    if (collect.files.empty() && collect.directories.empty()) {
      report_.error(0, "collect",
                    "there is nothing to collect, so the action collect would fail; name a file or a dir");
    }
  }

  void check_stage(const config::Stage& stage) {
    check_local_peers(stage.peers);
    want_directory({"stage/staging_dir", stage.line}, "staging directory", stage.staging_dir, changing);
    const peers::Descriptor directory(::open(stage.staging_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return;
    try {
      const auto space = peers::staging::free_space_of(directory.get());
      const auto minimum =
          config_.peerstage.staging.values.minimum_free.value_or(config::StagePlan().minimum_free);
      const auto lack = peers::staging::lack_of_space(space, {}, minimum);
      if (lack) {
        report_.error(stage.line, "stage/staging_dir",
                      "the file system of the staging directory " + printable(stage.staging_dir) +
                          " is too full to stage anything: " + *lack + "; purge it, or change minimum_free");
      }
    } catch (const peers::PeerError& error) {
      report_.error(stage.line, "stage/staging_dir", error.what());
    }
  }

  /// For cback3, which writes the media.
  void check_store(const config::Store& store) {
    want_directory({"store/source_dir"}, "source directory of store", store.source_dir, reading);
    say(Severity::warning, {"store/target_device"}, "the device " + printable(store.target_device),
        reading_problem(store.target_device), "cback3 needs it to write media");
  }

  void check_purge(const config::Purge& purge) {
    for (std::size_t i = 0; i < purge.directories.size(); ++i) {
      want_directory({numbered("purge/dir", i, purge.directories.size())}, "directory to purge",
                     purge.directories[i].abs_path, changing);
    }
  }

  void check_daemon(const config::Daemon& daemon) {
    check_parent("catalog", "catalog", daemon.catalog);
    check_parent("control_socket", "control socket", daemon.control_socket);
    if (daemon.metrics_file) check_parent("metrics_file", "metrics file", *daemon.metrics_file);
    for (const config::Notify& notify : daemon.notify) {
      if (notify.way != config::Notify::Way::command) continue;
      say(Severity::error, {notify.element, notify.line},
          "the program " + printable(notify.target) + " of a notification", program_problem(notify.target),
          "install it, or correct the configuration");
    }
  }

  /// systemd makes these directories when it starts the service, so one that is not there yet may be well.
  void check_parent(const char* element, const char* what, const std::string& path) {
    const std::string parent = boost::filesystem::path(path).parent_path().string();
    const auto problem = directory_problem(parent, changing);
    const bool is_absent = problem && ::access(parent.c_str(), F_OK) != 0;
    say(is_absent ? Severity::warning : Severity::error, {std::string("peerstage/daemon/") + element},
        "the directory " + printable(parent) + " of the " + what, problem,
        is_absent ? "the systemd units make theirs; a daemon that is started in another way needs it"
                  : "give the user that the daemon runs as the rights");
  }

  const config::Config& config_;
  config::Report& report_;
};

}  // namespace

void check_machine(const config::Config& config, config::Report& report) {
  MachineChecks(config, report).run();
}

}  // namespace peerstage::daemon
