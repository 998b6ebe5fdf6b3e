#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// Writes a run into the catalog while it goes. The verdict of a run never depends on it: the first failure
/// is told, and for the rest of that run only its end is still tried. It holds at most a thousand files of
/// each peer that tells its files at the moment.
///
/// May serve one run after the other, each with an origin of its own.
class CatalogRecorder final : public RunObserver {
 public:
  using Complain = std::function<void(const std::string& sentence)>;

  /// The catalog must outlive it. `complain` gets the first failure of each run; it must not throw.
  CatalogRecorder(Catalog& catalog, Complain complain) : catalog_(catalog), complain_(std::move(complain)) {}

  /// Of the run that begins next.
  void set_origin(RunOrigin origin) { origin_ = std::move(origin); }

  void begun(const RunReport& report) override;
  void started(std::size_t peer, unsigned attempt) override;
  void action_begun(std::size_t peer, const std::string& action) override;
  void action_ended(std::size_t peer, const ActionReport& report) override;
  void file(std::size_t peer, const WorkFile& file) override;
  void finished(std::size_t peer, const PeerReport& report) override;
  void ended(const RunReport& report) override;

 private:
  struct PeerState {
    std::string name;
    bool begun = false;
    bool told = false;   ///< some files of an earlier attempt, or of this one, are in the catalog
    bool again = false;  ///< the attempt is a new one: what was told before is void with its first file
    std::size_t count = 0;
    std::vector<WorkFile> waiting;
  };

  void write_waiting(PeerState& peer);
  void forget(const PeerState& peer);
  /// Does nothing after a failure; a failure ends the recording of this run.
  void attempt(const std::function<void()>& act);

  Catalog& catalog_;
  Complain complain_;
  RunOrigin origin_;
  std::string run_;
  std::chrono::year_month_day date_{};
  std::vector<PeerState> peers_;
  bool begun_ = false;
  bool failed_ = false;
};

}  // namespace peerstage::daemon
