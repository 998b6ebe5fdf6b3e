#include "daemon/progress.h"

#include <algorithm>
#include <cmath>

#include "daemon/columns.h"
#include "daemon/readable.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds live_interval{100};
constexpr seconds plain_interval{10};
constexpr milliseconds sample_interval{500};
constexpr seconds smoothing{5};
constexpr seconds foreseeable = std::chrono::hours(24 * 99);

Amount operator+(const Amount& a, const Amount& b) {
  return {a.files + b.files, a.bytes + b.bytes};
}

bool is_active(const PeerProgress& peer) {
  return peer.phase == PeerPhase::connecting || peer.phase == PeerPhase::transferring;
}

/// The size of the work at this peer is not known yet, or no longer.
bool is_unplanned(const PeerProgress& peer) {
  return peer.phase == PeerPhase::waiting || peer.phase == PeerPhase::connecting ||
         peer.phase == PeerPhase::put_off;
}

std::uint64_t remaining(const Amount& planned, const Amount& arrived) {
  return planned.bytes > arrived.bytes ? planned.bytes - arrived.bytes : 0;
}

/// A file that grew is no reason to show more than everything.
std::string percent(const Amount& planned, const Amount& arrived) {
  if (planned.bytes == 0) return "100%";
  const double share = static_cast<double>(arrived.bytes) / static_cast<double>(planned.bytes);
  return std::to_string(static_cast<int>(std::min(share, 1.0) * 100)) + "%";
}

std::string transfer_text(const PeerProgress& peer) {
  return percent(peer.planned, peer.arrived) + ", " + std::to_string(peer.arrived.files) + " of " +
         std::to_string(peer.planned.files) + " files, " + readable_size(peer.arrived.bytes) + " of " +
         readable_size(peer.planned.bytes) + speed_text(peer.rate.bytes_per_second()) +
         left_text(remaining(peer.planned, peer.arrived), peer.rate.bytes_per_second());
}

std::string phase_text(const PeerProgress& peer, SteadyTime now) {
  switch (peer.phase) {
    case PeerPhase::waiting:
      return "waiting";
    case PeerPhase::connecting:
      return "connecting";
    case PeerPhase::transferring:
      return transfer_text(peer);
    case PeerPhase::put_off:
      break;
    case PeerPhase::finished:
      return "done";
  }
  const auto delay = std::chrono::ceil<seconds>(std::max(peer.again_at - now, SteadyTime::duration::zero()));
  return "again in " + readable_duration(delay);
}

/// Unfinished peers in the order in which they deserve a row: worked on, put off, waiting.
std::vector<const PeerProgress*> by_interest(const std::vector<PeerProgress>& peers) {
  std::vector<const PeerProgress*> shown;
  for (const auto& peer : peers)
    if (peer.phase != PeerPhase::finished) shown.push_back(&peer);
  const auto rank = [](const PeerProgress& peer) {
    return is_active(peer) ? 0 : peer.phase == PeerPhase::put_off ? 1 : 2;
  };
  std::stable_sort(shown.begin(), shown.end(),
                   [&rank](const PeerProgress* a, const PeerProgress* b) { return rank(*a) < rank(*b); });
  return shown;
}

std::size_t name_width(const std::vector<PeerProgress>& peers, std::size_t columns) {
  std::size_t width = std::string("total").size();
  for (const auto& peer : peers) width = std::max(width, peer.name.size());
  return std::min(width, columns / 3);
}

std::string labelled(const std::string& name, std::size_t width, const std::string& text) {
  return padded(cut(name, width), width) + "  " + text;
}

}  // namespace

ProgressStyle progress_style(ProgressChoice choice, Verbosity verbosity, const Screen& screen) {
  if (choice == ProgressChoice::never) return ProgressStyle::none;
  if (choice == ProgressChoice::automatic && verbosity == Verbosity::quiet) return ProgressStyle::none;
  return screen.is_terminal() ? ProgressStyle::live : ProgressStyle::plain;
}

double smoothed_rate(double rate, double measured, std::chrono::duration<double> elapsed) {
  const double weight = 1 - std::exp(-elapsed / std::chrono::duration<double>(smoothing));
  return rate + weight * (measured - rate);
}

std::optional<seconds> time_left(std::uint64_t bytes, std::optional<double> bytes_per_second) {
  if (!bytes_per_second || *bytes_per_second < 1) return std::nullopt;
  const double left = std::ceil(static_cast<double>(bytes) / *bytes_per_second);
  if (left > std::chrono::duration<double>(foreseeable).count()) return std::nullopt;
  return seconds(static_cast<seconds::rep>(left));
}

std::string speed_text(std::optional<double> bytes_per_second) {
  constexpr double believable = 1e18;  // the numbers come from a worker, and have to fit an integer
  if (!bytes_per_second) return {};
  const double speed = std::clamp(*bytes_per_second, 0.0, believable);
  return ", " + readable_size(static_cast<std::uint64_t>(speed)) + "/s";
}

std::string left_text(std::uint64_t bytes, std::optional<double> bytes_per_second) {
  const auto left = time_left(bytes, bytes_per_second);
  return left ? ", " + readable_duration(*left) + " left" : std::string();
}

void RateMeter::sample(std::uint64_t total, SteadyTime now) {
  if (!last_ || total < total_) {
    last_ = now;
    total_ = total;
    rate_.reset();
    return;
  }
  const std::chrono::duration<double> elapsed = now - *last_;
  if (elapsed < sample_interval) return;
  const double measured = static_cast<double>(total - total_) / elapsed.count();
  rate_ = rate_ ? smoothed_rate(*rate_, measured, elapsed) : measured;
  last_ = now;
  total_ = total;
}

std::string total_text(const std::vector<PeerProgress>& peers, const RateMeter& total) {
  Amount planned, arrived;
  for (const auto& peer : peers) {
    planned = planned + peer.earlier + peer.planned;
    arrived = arrived + peer.earlier + peer.arrived;
  }
  const auto finished = std::count_if(peers.begin(), peers.end(),
                                      [](const auto& peer) { return peer.phase == PeerPhase::finished; });
  const bool open_end = std::any_of(peers.begin(), peers.end(), is_unplanned);
  return std::to_string(finished) + " of " + std::to_string(peers.size()) + " peers, " +
         readable_size(arrived.bytes) + (open_end ? " of at least " : " of ") + readable_size(planned.bytes) +
         speed_text(total.bytes_per_second()) +
         (open_end ? std::string() : left_text(remaining(planned, arrived), total.bytes_per_second()));
}

std::vector<std::string> render(const std::vector<PeerProgress>& peers, const RateMeter& total,
                                ScreenSize size, SteadyTime now) {
  const auto shown = by_interest(peers);
  const std::size_t width = name_width(peers, size.columns);
  // The cursor stands on a row of its own, the total needs one, and so does "… more" where it is needed.
  const std::size_t rows = size.rows > 2 ? size.rows - 2 : 0;
  const std::size_t fitting = shown.size() <= rows ? shown.size() : rows > 0 ? rows - 1 : 0;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < fitting; ++i)
    lines.push_back(labelled(shown[i]->name, width, phase_text(*shown[i], now)));
  if (fitting < shown.size() && rows > 0)
    lines.push_back("… " + std::to_string(shown.size() - fitting) + " more");
  lines.push_back(labelled("total", width, total_text(peers, total)));
  for (auto& line : lines) line = cut(line, size.columns);
  return lines;
}

std::string finished_text(const PeerReport& report) {
  std::string text = report.name + ": " + to_string(report.status);
  if (is_good(report.status))
    text += ", " + std::to_string(report.files) + " files, " + readable_size(report.bytes);
  if (report.attempts > 1) text += ", " + std::to_string(report.attempts) + " attempts";
  return text + ", " + readable_duration(report.duration);
}

ProgressDisplay::ProgressDisplay(Screen& screen, ProgressStyle style, const std::vector<std::string>& peers,
                                 SteadyTime now)
    : screen_(screen), style_(style), drawn_(now) {
  for (const auto& name : peers) peers_.push_back({name, PeerPhase::waiting, {}, {}, {}, {}, {}});
}

ProgressDisplay::~ProgressDisplay() {
  close();
}

void ProgressDisplay::started(std::size_t peer) {
  PeerProgress& now = peers_[peer];
  now.phase = PeerPhase::connecting;
  now.earlier = now.earlier + now.arrived;
  now.planned = now.arrived = {};
  now.rate = {};
}

void ProgressDisplay::planned(std::size_t peer, Amount amount) {
  peers_[peer].phase = PeerPhase::transferring;
  peers_[peer].planned = amount;
}

void ProgressDisplay::progress(std::size_t peer, Amount amount) {
  peers_[peer].arrived = amount;
}

void ProgressDisplay::put_off(std::size_t peer, milliseconds delay, SteadyTime now) {
  peers_[peer].phase = PeerPhase::put_off;
  peers_[peer].planned = peers_[peer].arrived;
  peers_[peer].again_at = now + delay;
}

void ProgressDisplay::finished(std::size_t peer, const PeerReport& report) {
  peers_[peer].phase = PeerPhase::finished;
  peers_[peer].planned = peers_[peer].arrived;  // what a failed peer did not deliver will not come any more
  if (style_ != ProgressStyle::none) screen_.line(finished_text(report));
}

void ProgressDisplay::tick(SteadyTime now) {
  if (style_ == ProgressStyle::none) return;
  std::uint64_t arrived = 0;
  for (auto& peer : peers_) {
    if (peer.phase == PeerPhase::transferring) peer.rate.sample(peer.arrived.bytes, now);
    arrived += peer.earlier.bytes + peer.arrived.bytes;
  }
  total_.sample(arrived, now);
  const SteadyTime::duration interval = style_ == ProgressStyle::live ? live_interval : plain_interval;
  if (now - drawn_ >= interval) draw(now);
}

void ProgressDisplay::draw(SteadyTime now) {
  drawn_ = now;
  if (style_ == ProgressStyle::live)
    screen_.live(render(peers_, total_, screen_.size(), now));
  else if (std::any_of(peers_.begin(), peers_.end(), is_active))
    screen_.line(total_text(peers_, total_));
}

void ProgressDisplay::close() {
  if (style_ == ProgressStyle::live) screen_.live({});
  style_ = ProgressStyle::none;
}

}  // namespace peerstage::daemon
