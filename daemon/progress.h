#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/log.h"
#include "daemon/report.h"
#include "daemon/screen.h"

namespace peerstage::daemon {

using SteadyTime = std::chrono::steady_clock::time_point;

/// What the user asked for, and what becomes of it.
enum class ProgressChoice { automatic, always, never };
enum class ProgressStyle {
  live,   ///< a line for each peer and a total, redrawn in place
  plain,  ///< a line when a peer is done, and a total now and then
  none
};

/// A terminal gets live lines, anything else plain ones, and `--quiet` none unless they are asked for.
ProgressStyle progress_style(ProgressChoice choice, Verbosity verbosity, const Screen& screen);

/// Files and bytes, of what has to be fetched or has arrived.
struct Amount {
  std::uint64_t files = 0, bytes = 0;
};

/// How fast something grows, smoothed over some seconds so that a number can be read.
class RateMeter {
 public:
  /// `total` so far. Samples that come too fast are left for the next; a smaller total starts again.
  void sample(std::uint64_t total, SteadyTime now);
  /// Absent before there is anything to say.
  std::optional<double> bytes_per_second() const { return rate_; }

 private:
  std::optional<SteadyTime> last_;
  std::uint64_t total_ = 0;
  std::optional<double> rate_;
};

/// The next value of a smoothed rate: what was measured over `elapsed` counts the more, the longer that was.
double smoothed_rate(double rate, double measured, std::chrono::duration<double> elapsed);

/// Absent when nothing moves, or when it would take longer than anybody can foresee (99 days).
std::optional<std::chrono::seconds> time_left(std::uint64_t bytes, std::optional<double> bytes_per_second);

/// What is put behind an amount: ", 35 MB/s" and ", 1m20s left", or nothing where that is not known.
std::string speed_text(std::optional<double> bytes_per_second);
std::string left_text(std::uint64_t bytes, std::optional<double> bytes_per_second);

enum class PeerPhase { waiting, connecting, transferring, put_off, finished };

/// What is known about the work at one peer.
struct PeerProgress {
  std::string name;
  PeerPhase phase = PeerPhase::waiting;
  Amount planned, arrived;  ///< of the current attempt
  Amount earlier;           ///< what attempts before it fetched; the current one resumes after that
  SteadyTime again_at;      ///< when put off
  RateMeter rate;
};

/// The live lines, the total last: none wider or more than the screen takes. When there are more peers than
/// rows, those that are worked on come first and "… N more" stands for the rest.
std::vector<std::string> render(const std::vector<PeerProgress>& peers, const RateMeter& total,
                                ScreenSize size, SteadyTime now);

/// "3 of 10 peers, 1.2 GB of 4.0 GB, 35 MB/s, 1m20s left"; "of at least" while some peers have not told their
/// size.
std::string total_text(const std::vector<PeerProgress>& peers, const RateMeter& total);

/// What stays on the screen of a peer that is done. The sentence of a failure is not in it, the log shows
/// that.
std::string finished_text(const PeerReport& report);

/// Shows a run while it goes. Peers are named by their index. Does not block longer than Screen does, does
/// not throw.
class ProgressDisplay {
 public:
  /// `screen` must outlive the display.
  ProgressDisplay(Screen& screen, ProgressStyle style, const std::vector<std::string>& peers, SteadyTime now);
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void started(std::size_t peer);
  void planned(std::size_t peer, Amount amount);
  void progress(std::size_t peer, Amount amount);
  /// An attempt failed, or the peer was not ready; it will be looked at again.
  void put_off(std::size_t peer, std::chrono::milliseconds delay, SteadyTime now);
  void finished(std::size_t peer, const PeerReport& report);
  /// To be called several times a second; draws no more often than can be seen.
  void tick(SteadyTime now);
  /// Removes the live lines; nothing is drawn any more.
  void close();

 private:
  void draw(SteadyTime now);

  Screen& screen_;
  ProgressStyle style_;
  std::vector<PeerProgress> peers_;
  RateMeter total_;
  SteadyTime drawn_;
};

}  // namespace peerstage::daemon
