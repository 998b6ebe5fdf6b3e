#pragma once

#include <optional>

#include "daemon/progress.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// Shows a run on the screen while it goes.
class ScreenProgress final : public RunObserver {
 public:
  /// Both must outlive it.
  ScreenProgress(Screen& screen, ProgressStyle style, const Timeline& timeline);

  void begun(const RunReport& report) override;
  void started(std::size_t peer, unsigned attempt) override;
  void planned(std::size_t peer, const WorkPlanned& plan) override;
  void progress(std::size_t peer, const WorkProgress& arrived) override;
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override;
  void finished(std::size_t peer, const PeerReport& report) override;
  void tick() override;
  void ended(const RunReport& report) override;

 private:
  Screen& screen_;
  ProgressStyle style_;
  const Timeline& timeline_;
  std::optional<ProgressDisplay> display_;
};

}  // namespace peerstage::daemon
