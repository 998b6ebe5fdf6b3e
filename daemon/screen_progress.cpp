#include "daemon/screen_progress.h"

#include <string>
#include <vector>

namespace peerstage::daemon {

ScreenProgress::ScreenProgress(Screen& screen, ProgressStyle style, const Timeline& timeline)
    : screen_(screen), style_(style), timeline_(timeline) {}

void ScreenProgress::begun(const RunReport& report) {
  std::vector<std::string> names;
  for (const PeerReport& peer : report.peers) names.push_back(peer.name);
  display_.emplace(screen_, style_, names, timeline_.steady_now());
}

void ScreenProgress::started(std::size_t peer, unsigned /*attempt*/) {
  display_->started(peer);
}

void ScreenProgress::planned(std::size_t peer, const WorkPlanned& plan) {
  display_->planned(peer, {plan.files, plan.bytes});
}

void ScreenProgress::progress(std::size_t peer, const WorkProgress& arrived) {
  display_->progress(peer, {arrived.files, arrived.bytes});
}

void ScreenProgress::put_off(std::size_t peer, const WorkResult& /*result*/,
                             std::chrono::milliseconds delay) {
  display_->put_off(peer, delay, timeline_.steady_now());
}

void ScreenProgress::finished(std::size_t peer, const PeerReport& report) {
  display_->finished(peer, report);
}

void ScreenProgress::tick() {
  display_->tick(timeline_.steady_now());
}

void ScreenProgress::ended(const RunReport& /*report*/) {
  display_.reset();
}

}  // namespace peerstage::daemon
