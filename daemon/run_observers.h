#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "daemon/stage_run.h"

namespace peerstage::daemon {

/// Several observers that look like one: each is told everything, in their order. They must outlive it.
class RunObservers final : public RunObserver {
 public:
  explicit RunObservers(std::vector<RunObserver*> observers) : observers_(std::move(observers)) {}

  void begun(const RunReport& report) override { tell(&RunObserver::begun, report); }
  void started(std::size_t peer, unsigned attempt) override { tell(&RunObserver::started, peer, attempt); }
  void planned(std::size_t peer, const WorkPlanned& plan) override {
    tell(&RunObserver::planned, peer, plan);
  }
  void progress(std::size_t peer, const WorkProgress& arrived) override {
    tell(&RunObserver::progress, peer, arrived);
  }
  void file(std::size_t peer, const WorkFile& file) override { tell(&RunObserver::file, peer, file); }
  void event(std::size_t peer, const WorkEvent& event) override { tell(&RunObserver::event, peer, event); }
  void action_begun(std::size_t peer, const std::string& action) override {
    tell(&RunObserver::action_begun, peer, action);
  }
  void action_ended(std::size_t peer, const ActionReport& report) override {
    tell(&RunObserver::action_ended, peer, report);
  }
  void put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) override {
    tell(&RunObserver::put_off, peer, result, delay);
  }
  void finished(std::size_t peer, const PeerReport& report) override {
    tell(&RunObserver::finished, peer, report);
  }
  void held(std::optional<Timeline::Wall> until) override { tell(&RunObserver::held, until); }
  void note(peers::EventLevel level, const std::string& text) override {
    tell(&RunObserver::note, level, text);
  }
  void tick() override { tell(&RunObserver::tick); }
  /// The last of them may destroy the run, and this.
  void ended(const RunReport& report) override {
    for (RunObserver* observer : std::exchange(observers_, {})) observer->ended(report);
  }

 private:
  template <typename Method, typename... Arguments>
  void tell(Method method, const Arguments&... arguments) {
    for (RunObserver* observer : observers_) std::invoke(method, *observer, arguments...);
  }

  std::vector<RunObserver*> observers_;
};

}  // namespace peerstage::daemon
