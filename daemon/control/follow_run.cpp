#include "daemon/control/follow_run.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "daemon/columns.h"
#include "daemon/control/control_client.h"
#include "daemon/control/request_target.h"
#include "daemon/control/stop_signals.h"
#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/screen.h"
#include "daemon/service/page.h"
#include "daemon/service/state_json.h"

namespace peerstage::daemon {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_again{500};
constexpr std::chrono::seconds between_plain_lines{10};
constexpr std::chrono::seconds restart_patience{60};
/// Between the queue and its beginning a run may be nowhere for a moment.
constexpr unsigned most_misses = 4;

std::string progress_of(const ServiceRun& run) {
  std::string text = std::to_string(run.done) + " of " + std::to_string(run.peers) + " peers, " +
                     readable_size(run.arrived.bytes) + " of " + (run.unplanned > 0 ? "at least " : "") +
                     readable_size(run.planned.bytes);
  if (run.failed > 0) text += ", " + std::to_string(run.failed) + " failed";
  if (run.held_until) text += ", waiting until transfers may start";
  return text;
}

std::string progress_of(const QueuedRun& run) {
  return "waiting" + (run.why_waiting.empty() ? " for its turn" : ": " + shown(run.why_waiting));
}

/// What the run is doing; absent: it is neither going on nor queued.
std::optional<std::string> progress_in(const ServiceState& state, const std::string& id) {
  if (state.run && state.run->id == id) return progress_of(*state.run);
  const auto queued = std::ranges::find(state.queue, id, &QueuedRun::id);
  if (queued == state.queue.end()) return std::nullopt;
  return progress_of(*queued);
}

/// The lines of somebody who looks on: in place on a terminal, now and then elsewhere.
class Display {
 public:
  Display(const std::string& id, FollowOutput output) : id_(shown(id)), output_(output) {}

  void progress(const std::string& text) {
    if (output_ == FollowOutput::json) return;
    const std::string line = "run " + id_ + ": " + text;
    if (screen_.is_terminal()) return screen_.live({cut(line, screen_.size().columns)});
    const auto now = steady_clock::now();
    if (line == last_ || (shown_ && now - *shown_ < between_plain_lines)) return;
    screen_.line(line);
    last_ = line;
    shown_ = now;
  }
  void line(const std::string& text) {
    if (output_ == FollowOutput::text) screen_.line(text);
  }
  void close() { screen_.live({}); }

 private:
  std::string id_;
  FollowOutput output_;
  Screen screen_{STDOUT_FILENO};
  std::string last_;
  std::optional<steady_clock::time_point> shown_;
};

std::string text_at(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? shown(found->get<std::string>()) : "";
}

void show_peer(Display& display, const Json& peer) {
  const std::string status = text_at(peer, "status");
  if (status == "staged" || status == "unchanged") return;
  const Json error = peer.value("error", Json());
  const std::string why = error.is_object() ? ": " + text_at(error, "message") : "";
  display.line("peer " + text_at(peer, "name") + ": " + status + why);
}

class Follower {
 public:
  Follower(const ControlPlace& place, const std::string& id, FollowOutput output)
      : client_(place.socket, stop_.descriptor()), id_(id), output_(output), display_(id, output) {}

  ExitCode follow() try {
    std::optional<ExitCode> end;
    do {
      end = look_patiently();
    } while (!end && !stop_.comes_within(look_again));
    display_.close();
    return end ? *end : left();
  } catch (const ControlInterrupted&) {
    display_.close();
    return left();
  }

 private:
  /// The daemon may be on its way down and up again.
  std::optional<ExitCode> look_patiently() try {
    const auto end = look();
    silent_since_.reset();
    return end;
  } catch (const ControlError& error) {
    const auto now = steady_clock::now();
    if (!silent_since_) silent_since_ = now;
    if (now - *silent_since_ >= restart_patience) throw;
    display_.progress(error.what());
    return std::nullopt;
  }

  std::optional<ExitCode> look() {
    const ControlAnswer status = client_.get("/v1/status?peers=none");
    if (!status.good()) return lost(error_of(status));
    if (const auto progress = progress_in(parse_state(status.body), id_)) {
      misses_ = 0;
      display_.progress(*progress);
      return std::nullopt;
    }
    const ControlAnswer run = client_.get("/v1/runs/" + percent_encoded(id_));
    if (run.good()) return judge(run);
    if (run.status == 404 && ++misses_ < most_misses) return std::nullopt;
    return lost(error_of(run));
  }

  /// Absent: it is not over, and will be gone on with.
  std::optional<ExitCode> judge(const ControlAnswer& answer) {
    const Json document = Json::parse(answer.body);
    const Json& run = document.at("run");
    if (!run.at("over").get<bool>()) return std::nullopt;
    if (output_ == FollowOutput::json) std::cout << answer.body << std::flush;
    display_.close();
    for (const Json& peer : document.at("peers")) show_peer(display_, peer);
    const std::string error = text_at(run, "error");
    display_.line("run " + shown(id_) + ": " + text_at(run, "status") + (error.empty() ? "" : ": " + error));
    return static_cast<ExitCode>(run.at("exit_code").get<int>());
  }

  ExitCode lost(const std::string& why) {
    display_.close();
    std::cerr << "peerstage run: how the run " << shown(id_) << " ends is not known: " << why << '\n';
    return ExitCode::error;
  }

  ExitCode left() const {
    std::cerr << "The run goes on; 'peerstage cancel " << shown(id_) << "' ends it.\n";
    return ExitCode::interrupted;
  }

  StopSignals stop_;
  ControlClient client_;
  std::string id_;
  FollowOutput output_;
  Display display_;
  unsigned misses_ = 0;
  std::optional<steady_clock::time_point> silent_since_;
};

}  // namespace

ExitCode follow_run(const ControlPlace& place, const std::string& id, FollowOutput output) try {
  return Follower(place, id, output).follow();
} catch (const BadStateDocument& bad) {
  throw ControlError(ControlError::Kind::not_understood,
                     std::string("what answers is no daemon of this version: ") + bad.what());
} catch (const Json::exception&) {
  throw ControlError(ControlError::Kind::not_understood, "what answers is no daemon of this version");
}

}  // namespace peerstage::daemon
