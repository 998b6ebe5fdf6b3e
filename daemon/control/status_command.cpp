#include "daemon/control/status_command.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "daemon/columns.h"
#include "daemon/control/control_address.h"
#include "daemon/control/control_client.h"
#include "daemon/control/request_target.h"
#include "daemon/control/stop_signals.h"
#include "daemon/screen.h"
#include "daemon/service/check_plugin.h"
#include "daemon/service/state_json.h"
#include "daemon/service/status_table.h"

namespace peerstage::daemon {
namespace {

constexpr std::chrono::seconds refresh{1};

std::string target_of(const std::vector<std::string>& peers) {
  std::string target = "/v1/status";
  for (const std::string& peer : peers)
    target += (target.find('?') == std::string::npos ? "?peer=" : "&peer=") + percent_encoded(peer);
  return target;
}

StatusView view_on(const Screen& screen) {
  StatusView view;
  if (!screen.is_terminal()) return view;
  const char* no_colour = std::getenv("NO_COLOR");  // see no-color.org
  if (no_colour == nullptr || *no_colour == '\0') view.colour = Colour::on;
  view.columns = screen.size().columns;
  return view;
}

ExitCode print_once(const StatusCommand& command, const ControlPlace& place) {
  const ControlAnswer answer = ControlClient(place.socket).get(target_of(command.peers));
  if (command.json) std::cout << answer.body << std::flush;
  if (!answer.good()) {
    std::cerr << "peerstage status: " << error_of(answer) << '\n';
    return ExitCode::error;
  }
  if (!command.json)
    std::cout << status_table(parse_state(answer.body), view_on(Screen(STDOUT_FILENO))) << std::flush;
  return std::cout ? ExitCode::ok : ExitCode::error;
}

CheckResult judge(const StatusCommand& command, const ControlPlace& place) {
  try {
    const ControlAnswer answer = ControlClient(place.socket).get(target_of(command.peers));
    if (!answer.good()) return check_impossible(error_of(answer));
    return check_result(parse_state(answer.body), command.peers);
  } catch (const ControlError& error) {
    using Kind = ControlError::Kind;
    const bool is_down = error.kind() == Kind::not_running || error.kind() == Kind::no_answer;
    const std::string why = error.what() + (place.doubt.empty() ? "" : ". " + place.doubt);
    return is_down ? daemon_does_not_answer(why) : check_impossible(why);
  } catch (const std::exception& error) {
    return check_impossible(error.what());
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// What is shown while it is watched: the last that was known, below a word on why there is nothing newer.
class Watched {
 public:
  Watched(const StatusCommand& command, const ControlPlace& place, const StopSignals& stop)
      : target_(target_of(command.peers)), client_(place.socket, stop.descriptor()) {}

  void ask() {
    try {
      const ControlAnswer answer = client_.get(target_);
      notice_ = answer.good() ? "" : error_of(answer);
      if (answer.good()) table_ = lines_of(status_table(parse_state(answer.body), view_on(screen_)));
    } catch (const ControlError& error) {
      notice_ = error.what();
    } catch (const BadStateDocument& bad) {
      notice_ = bad.what();
    }
  }

  /// A terminal has so many lines; the first are the ones that matter.
  void show() {
    std::vector<std::string> lines = table_;
    if (!notice_.empty()) lines.insert(lines.begin(), {fitting(notice_), "Trying again.", ""});
    const std::size_t room = std::max<std::size_t>(2, screen_.size().rows - 1);
    if (screen_.is_terminal() && lines.size() > room) {
      const std::size_t more = lines.size() - room + 1;
      lines.resize(room - 1);
      lines.push_back("… " + std::to_string(more) + " lines more");
    }
    if (screen_.is_terminal()) return screen_.live(std::move(lines));
    for (const std::string& line : lines) screen_.line(line);
    screen_.line("");
  }

 private:
  std::string fitting(const std::string& text) const {
    return screen_.is_terminal() ? cut(text, screen_.size().columns) : text;
  }

  std::string target_;
  ControlClient client_;
  Screen screen_{STDOUT_FILENO};
  std::vector<std::string> table_;
  std::string notice_;
};

ExitCode watch(const StatusCommand& command, const ControlPlace& place) {
  const StopSignals stop;
  Watched watched(command, place, stop);
  try {
    do {
      watched.ask();
      watched.show();
    } while (!stop.comes_within(refresh));
  } catch (const ControlInterrupted&) {
  }
  return ExitCode::ok;
}

}  // namespace

ExitCode show_status(const StatusCommand& command) {
  const ControlPlace place = find_daemon(command.address);
  if (command.check) {
    const CheckResult result = judge(command, place);
    std::cout << result.line << std::endl;
    return static_cast<ExitCode>(result.status);  // the plugin's own numbers, not ours
  }
  try {
    return command.watch ? watch(command, place) : print_once(command, place);
  } catch (const ControlError& error) {
    complain("status", error, place, command.json ? FindingsFormat::json : FindingsFormat::text);
  } catch (const BadStateDocument& bad) {
    std::cerr << "peerstage status: what answers is no daemon of this version: " << bad.what() << '\n';
  }
  return ExitCode::error;
}

}  // namespace peerstage::daemon
