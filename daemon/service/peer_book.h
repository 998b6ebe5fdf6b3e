#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/stage_plan.h"
#include "daemon/catalog/catalog.h"
#include "daemon/service/run_progress.h"
#include "daemon/service/state.h"
#include "daemon/stage_run.h"
#include "daemon/timeline.h"

namespace peerstage::daemon {

/// What is known of every configured peer: from the catalog, from the runs since, and from the one that is
/// going on, which it observes. It needs no catalog to go on with what it has seen itself.
///
/// What a run tells costs the same however many peers there are; only its begin and its end, and the calls
/// that are about all peers, cost a step a peer. One thread.
class PeerBook final : public RunObserver {
 public:
  /// `timeline` must outlive it.
  explicit PeerBook(const Timeline& timeline) : timeline_(timeline) {}

  /// The peers that are configured from now on, in this order. What is known of those that stay is kept, also
  /// while a run is going on that was begun with others. `stale_after` 0: none is ever stale.
  void configure(const std::vector<config::StagePeer>& peers, std::chrono::milliseconds stale_after);
  /// What the catalog knows, to be told before the first run. Peers that are not configured are passed over.
  void remember(const std::vector<PeerHistory>& history);

  /// The configured peers in their order. `held_until`: no transfer may start before that.
  std::vector<ServicePeer> peers(WallTime now, std::optional<WallTime> held_until = std::nullopt) const;
  /// Those of them that are stale.
  std::vector<ServicePeer> stale(WallTime now) const;
  /// The run that is going on; its origin, its interruptions and what holds it are left to who knows them.
  std::optional<ServiceRun> run() const;
  /// What all runs fetched since the book was made.
  Amount received() const { return received_; }

  void begun(const RunReport& report) override;
  void started(std::size_t peer, unsigned attempt) override;
  void planned(std::size_t peer, const WorkPlanned& work) override;
  void progress(std::size_t peer, const WorkProgress& work) override;
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override;
  void finished(std::size_t peer, const PeerReport& report) override;
  void tick() override;
  void ended(const RunReport& report) override;

 private:
  struct Entry {
    ServicePeer peer;  ///< without what a run does with it
    Timeline::Steady known_since;
    std::string last_run;
    std::optional<std::size_t> place;  ///< in the run that is going on
  };

  void find_places();
  Entry* entry_of(const std::string& peer);
  void settle(const std::string& run, const PeerReport& report, WallTime when);
  bool is_stale(const Entry& entry, WallTime now) const;
  ServicePeer shown(const Entry& entry, WallTime now, std::optional<WallTime> held_until) const;

  const Timeline& timeline_;
  std::chrono::milliseconds stale_after_{0};
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> places_;  ///< in `entries_`, by name
  std::optional<RunProgress> run_;
  Amount received_;
};

}  // namespace peerstage::daemon
