#include "daemon/screen.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <utility>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

constexpr std::chrono::milliseconds patience{100};

/// A terminal that can move its cursor; TERM=dumb says that it cannot.
bool can_redraw(int descriptor) {
  const char* type = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && (type == nullptr || std::string_view(type) != "dumb");
}

}  // namespace

Screen::Screen(int descriptor) : descriptor_(descriptor), terminal_(can_redraw(descriptor)) {}

ScreenSize Screen::size() const {
  winsize reported{};
  if (::ioctl(descriptor_, TIOCGWINSZ, &reported) != 0 || reported.ws_col == 0 || reported.ws_row == 0)
    return {};
  return {reported.ws_col, reported.ws_row};
}

void Screen::line(std::string_view text) noexcept try {
  std::string output = erased();
  if (lost_lines_ > 0)
    output += "(" + std::to_string(lost_lines_) + " lines are missing here, because nobody read them)\n";
  output.append(text).append("\n").append(drawn());
  if (write(output))
    lost_lines_ = 0;
  else
    ++lost_lines_;
} catch (...) {
  ++lost_lines_;  // out of memory: a line on the screen is not worth a run
}

void Screen::live(std::vector<std::string> lines) noexcept try {
  if (!terminal_) return;
  const std::string erase = erased();
  const std::vector<std::string> before = std::exchange(live_, std::move(lines));
  if (!write(erase + drawn())) live_ = before;
} catch (...) {
  live_.clear();
}

std::string Screen::erased() const {
  if (live_.empty()) return {};
  return "\x1b[" + std::to_string(live_.size()) + "F\x1b[J";  // to the first live line, and clear from there
}

/// Wrapping is off while the live lines are drawn: a line that wraps could not be found again.
std::string Screen::drawn() const {
  if (live_.empty()) return {};
  std::string text = "\x1b[?7l";
  for (const auto& line : live_) text += line + "\n";
  return text + "\x1b[?7h";
}

bool Screen::writable(Wait wait) const {
  pollfd screen{descriptor_, POLLOUT, 0};
  const auto timeout = wait == Wait::patiently ? static_cast<int>(patience.count()) : 0;
  return ::poll(&screen, 1, timeout) == 1 && (screen.revents & POLLOUT) != 0;
}

/// A pipe that is ready takes PIPE_BUF bytes without making us wait (pipe(7)).
bool Screen::write(std::string_view text) {
  while (!text.empty()) {
    if (!writable(stuck_ ? Wait::not_at_all : Wait::patiently)) {
      stuck_ = true;
      return false;
    }
    stuck_ = false;
    const auto written = ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace peerstage::daemon
