#include "daemon/service/daemon_command.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <unistd.h>

#include "config/load.h"
#include "daemon/asio_timeline.h"
#include "daemon/control/control_server.h"
#include "daemon/diagnostics.h"
#include "daemon/log.h"
#include "daemon/message_ids.h"
#include "daemon/screen.h"
#include "daemon/service/catalog_rebuilder.h"
#include "daemon/service/inhibitor.h"
#include "daemon/service/local_actions.h"
#include "daemon/service/metrics_writer.h"
#include "daemon/service/notifier.h"
#include "daemon/service/service.h"
#include "daemon/service/service_manager.h"
#include "daemon/user.h"
#include "daemon/worker_processes.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;

// A notification that is on its way when the daemon is stopped gets so long; stopping has ten seconds in all.
constexpr auto grace_for_notifications = std::chrono::seconds(2);
// The name of the descriptor that systemd/peerstaged.socket passes.
constexpr auto control_socket_name = "control";

/// The process around the service: its loop, its signals, its socket, and whoever wants to hear of it.
class DaemonProcess {
 public:
  DaemonProcess(const ServiceConfig& config, Log& log, LogFile log_file, ServiceManager& manager)
      : log_(log),
        log_file_(std::move(log_file)),
        manager_(manager),
        signals_(loop_, SIGTERM, SIGINT, SIGHUP),
        notifications_(config.daemon.notify),
        notifier_(loop_, timeline_, tell_about_runs(), notifier_settings(config)),
        rebuilder_(loop_, timeline_, tell()),
        metrics_(
            timeline_, config.daemon.metrics_file, [this] { return service_.state(); }, tell()),
        service_(timeline_, log, config, surroundings(config.file)),
        server_(std::in_place, loop_, control_socket(config), access_policy(config), service_, tell()) {}

  /// Until it has been told to stop, and has.
  void run() {
    listen_to_signals();
    feed_watchdog();
    service_.start();
    remember_standings();
    metrics_.start();
    manager_.ready();
    loop_.run();
  }

 private:
  CatalogRebuilder::Tell tell() {
    return [this](peers::EventLevel level, const std::string& text) { log_.write(level, text); };
  }
  Notifier::Tell tell_about_runs() {
    return [this](peers::EventLevel level, const std::string& text, const std::string& run) {
      log_.write(level, text, {{}, run, {}});
    };
  }

  static Notifier::Settings notifier_settings(const ServiceConfig& config) {
    Notifier::Settings settings;
    if (::geteuid() == 0)
      settings.network_user = look_up_user(config.plan.backup_user, config.plan.backup_group);
    return settings;
  }

  static AccessPolicy access_policy(const ServiceConfig& config) {
    AccessPolicy policy;
    policy.service_user = ::geteuid();
    if (config.daemon.control_group) {
      policy.reading_group =
          look_up_group(*config.daemon.control_group, "control group", "peerstage/daemon/control_group");
    }
    return policy;
  }

  ControlSocket control_socket(const ServiceConfig& config) {
    if (auto passed = manager_.listening_socket(control_socket_name))
      return ControlSocket::adopt(passed->release());
    return ControlSocket::listen_at(config.daemon.control_socket, access_policy(config).reading_group);
  }

  Service::Surroundings surroundings(const std::string& config_file) {
    Service::Surroundings around;
    around.version = PEERSTAGE_VERSION;
    around.read_config = [config_file] { return load_service_config(config_file, started_as()); };
    around.make_workers = worker_processes(loop_);
    around.begin_local_action = local_actions(loop_, timeline_, config_file, log_file_);
    around.tell_status = [this](const std::string& text) { manager_.status(text); };
    around.tell_working = [this](bool is_working) { hold_awake(is_working); };
    around.tell_run_ended = [this](const RunReport& report, const RunOrigin& origin) {
      run_ended(report, origin);
    };
    around.tell_stale = [this](const std::vector<ServicePeer>& peers) { peers_are_stale(peers); };
    around.tell_config = [this](const ServiceConfig& config) { take_config(config); };
    around.rebuild_catalog = [this, config_file] {
      rebuilder_.rebuild(config_file, [this] { service_.catalog_rebuilt(); });
    };
    return around;
  }

  void listen_to_signals() {
    signals_.async_wait([this](boost::system::error_code error, int signal) {
      if (error) return;
      if (signal != SIGHUP) return stop();
      manager_.reloading();
      service_.reload();
      manager_.ready();
      listen_to_signals();
    });
  }

  /// In the loop itself: one that comes round no more is one that has to be ended.
  void feed_watchdog() {
    const auto interval = manager_.watchdog_interval();
    if (!interval) return;
    manager_.watchdog();
    watchdog_alarm_ = timeline_.after(*interval, [this] { feed_watchdog(); });
  }

  void hold_awake(bool is_working) {
    inhibition_.clear();
    if (!is_working) return;
    auto held = inhibit_sleep("the backup pool is being staged");
    if (auto* inhibition = std::get_if<Inhibition>(&held))
      inhibition_ = std::move(*inhibition);
    else
      log_.debug(std::get<std::string>(held));
  }

  /// How the jobs stood before this process: a good run is a recovery also when the daemon was restarted
  /// after the bad one.
  void remember_standings() {
    remember_standing("");
    for (const ServiceJob& job : service_.state().jobs) remember_standing(job.name);
  }

  /// By the last run that came to a verdict. Nearly always that is the last one; a run of a large pool is
  /// long.
  void remember_standing(const std::string& job) {
    for (const std::size_t looked_at : {1U, 10U}) {
      const auto found = service_.history({.peer = {}, .since = {}, .limit = looked_at, .job = job});
      const auto* runs = std::get_if<std::vector<CatalogedRun>>(&found);
      if (runs == nullptr) return;
      const auto judged = std::ranges::find_if(*runs, [](const CatalogedRun& run) {
        return run.over && status(run.report) != RunStatus::interrupted;
      });
      if (judged == runs->end()) continue;
      occasions_.remember(job, standing_after(Standing::good, status(judged->report)));
      return;
    }
  }

  void run_ended(const RunReport& report, const RunOrigin& origin) {
    const auto event = occasions_.run_ended(origin.job, status(report));
    notifier_.tell(notifications_, run_notification(event, report, origin.job, host_name()));
    metrics_.write_soon();
  }

  void peers_are_stale(const std::vector<ServicePeer>& peers) {
    std::vector<StalePeer> stale;
    for (const ServicePeer& peer : peers) stale.push_back({peer.name, peer.last_good});
    const auto news = occasions_.newly_stale(stale);
    if (news.empty()) return;
    for (const StalePeer& peer : news) {
      log_.write(peers::EventLevel::warning, "peer " + peer.name + ": its last good stage is too old",
                 {peer.name, {}, message_ids::peer_stale});
    }
    notifier_.tell(notifications_, stale_notification(news, host_name(), timeline_.wall_now()));
  }

  void take_config(const ServiceConfig& config) {
    notifications_ = config.daemon.notify;
    metrics_.set_path(config.daemon.metrics_file);
    server_->set_policy(access_policy(config));
  }

  void stop() {
    manager_.stopping();
    log_.info("the daemon was told to stop");
    service_.stop();
    server_.reset();
    metrics_.stop();
    notifier_.stop(grace_for_notifications, [this] { loop_.stop(); });
  }

  asio::io_context loop_{1};
  AsioTimeline timeline_{loop_};
  Log& log_;
  LogFile log_file_;
  ServiceManager& manager_;
  asio::signal_set signals_;
  std::vector<config::Notify> notifications_;
  Occasions occasions_;
  Notifier notifier_;
  CatalogRebuilder rebuilder_;
  MetricsWriter metrics_;
  Service service_;
  std::optional<ControlServer> server_;
  Inhibition inhibition_;
  std::unique_ptr<Alarm> watchdog_alarm_;
};

ExitCode refuse(const std::vector<config::Finding>& findings, Log& log) {
  for (const config::Finding& finding : findings) {
    const bool is_error = finding.severity == config::Severity::error;
    log.write(is_error ? peers::EventLevel::error : peers::EventLevel::warning, finding.text(),
              {{}, {}, is_error ? message_ids::configuration_refused : std::string_view()});
  }
  return ExitCode::configuration;
}

ExitCode serve(const std::string& path, Log& log, const LogFile& log_file, ServiceManager& manager) {
  for (const std::string& line : diagnostics()) log.info(line);
  log.info("Configuration: " + peers::printable(path));
  ServiceConfigResult read = load_service_config(path, started_as());
  if (!read.config) return refuse(read.findings, log);
  for (const config::Finding& finding : read.findings) log.warning(finding.text());
  try {
    DaemonProcess(*read.config, log, log_file, manager).run();
  } catch (const AnotherDaemonListens& error) {
    log.error(error.what());
    return ExitCode::locked;
  } catch (const std::exception& error) {
    log.error(std::string("the daemon cannot go on: ") + error.what());
    return ExitCode::error;
  }
  log.info("the daemon has ended");
  return ExitCode::ok;
}

}  // namespace

ExitCode run_daemon(const DaemonCommand& command) {
  ServiceManager manager;
  Screen screen(STDERR_FILENO);
  try {
    Log log(command.log, screen, screen_threshold(command.verbosity, command.log.threshold));
    return serve(command.config_path.value_or(config::default_path()), log, command.log, manager);
  } catch (const LogError& error) {
    std::cerr << error.what() << '\n';
    return ExitCode::log;
  }
}

}  // namespace peerstage::daemon
