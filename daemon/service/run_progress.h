#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "daemon/service/state.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// How far a run is: what it does with each of its peers, and the sums. Peers are named by their index in the
/// report. Every call costs the same, however many peers there are.
class RunProgress {
 public:
  /// What the run does with one peer.
  struct Activity {
    PeerCondition phase = PeerCondition::waiting;  ///< waiting, connecting, transferring or put_off
    bool done = false;
    unsigned attempt = 0;
    Amount planned, arrived;  ///< of the current attempt
    Amount earlier;           ///< what attempts before it fetched
    std::optional<peers::Failure> put_off_because;
    std::optional<WallTime> again_at;
  };

  /// Begins with what stands in the report: peers that were done before an interruption are done.
  explicit RunProgress(const RunReport& report);

  void started(std::size_t peer, unsigned attempt);
  void planned(std::size_t peer, Amount amount);
  /// What has newly arrived.
  Amount progress(std::size_t peer, Amount amount);
  void put_off(std::size_t peer, peers::Failure because, WallTime again_at);
  /// Nothing happens for one that is done.
  void finished(std::size_t peer, PeerStatus status);
  /// To be called several times a second, for the rate.
  void sample(SteadyTime now) { rate_.sample(sum_.arrived.bytes, now); }

  const std::string& id() const { return sum_.id; }
  const std::vector<std::string>& names() const { return names_; }
  const Activity& of(std::size_t peer) const { return peers_[peer]; }
  /// The origin, the interruptions and what holds it are not known here.
  ServiceRun summary() const;

 private:
  void add(const Activity& peer);
  void take_away(const Activity& peer);

  ServiceRun sum_;
  std::vector<std::string> names_;
  std::vector<Activity> peers_;
  RateMeter rate_;
};

}  // namespace peerstage::daemon
