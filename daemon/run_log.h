#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/log.h"
#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// Writes a run into the log, each line with its run and its peer.
class RunLog final : public RunObserver {
 public:
  /// The log must outlive it.
  RunLog(Log& log, std::string run, peers::staging::RunMode mode);

  void begun(const RunReport& report) override;
  void started(std::size_t peer, unsigned attempt) override;
  void event(std::size_t peer, const WorkEvent& event) override;
  void action_begun(std::size_t peer, const std::string& action) override;
  void action_ended(std::size_t peer, const ActionReport& report) override;
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override;
  void finished(std::size_t peer, const PeerReport& report) override;
  void held(std::optional<Timeline::Wall> until) override;
  void note(peers::EventLevel level, const std::string& text) override;

 private:
  void write(peers::EventLevel level, std::size_t peer, const std::string& text,
             std::string_view message_id = {});
  void write_end(std::size_t peer, const PeerReport& report);

  Log& log_;
  std::string run_;
  bool is_dry_;
  std::vector<std::string> peers_;
};

}  // namespace peerstage::daemon
