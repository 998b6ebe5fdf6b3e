#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "daemon/service/state.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// Follows a run for the daemon's state: how far it is, and what the daemon has received since it started.
class RunTracker final : public RunObserver {
 public:
  /// `run` and `counters` are kept up to date and must outlive it.
  RunTracker(const Timeline& timeline, ServiceRun& run, ServiceCounters& counters)
      : timeline_(timeline), run_(run), counters_(counters) {}

  void begun(const RunReport& report) override;
  void planned(std::size_t peer, const WorkPlanned& plan) override;
  void progress(std::size_t peer, const WorkProgress& progress) override;
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override;
  void finished(std::size_t peer, const PeerReport& report) override;
  void held(std::optional<Timeline::Wall> until) override { run_.held_until = until; }
  void tick() override;

 private:
  struct PeerAmounts {
    Amount earlier;  ///< of attempts before the current one: what they fetched is not fetched again
    Amount planned, arrived;
    bool is_planned = false;  ///< or will not be any more
  };
  PeerAmounts& amounts(std::size_t peer);
  void know_size(PeerAmounts& peer);

  const Timeline& timeline_;
  ServiceRun& run_;
  ServiceCounters& counters_;
  std::vector<PeerAmounts> peers_;
  RateMeter rate_;
};

}  // namespace peerstage::daemon
