#include "daemon/start_gate.h"

#include <utility>

namespace peerstage::daemon {

StartGate::StartGate(Timeline& timeline, ClosedUntil closed_until, Changed changed, Timeline::Act opened)
    : timeline_(timeline),
      closed_until_(std::move(closed_until)),
      changed_(std::move(changed)),
      opened_(std::move(opened)) {}

bool StartGate::open() {
  if (!closed_until_) return true;
  take_note(closed_until_(timeline_.wall_now()));
  if (!until_) return true;
  if (!alarm_) {
    alarm_ = timeline_.at(*until_, [this] {
      alarm_.reset();
      if (open()) opened_();  // the clock may have been set
    });
  }
  return false;
}

void StartGate::take_note(std::optional<Timeline::Wall> until) {
  if (until == until_) return;
  alarm_.reset();
  until_ = until;
  closed_before_ = closed_time();
  closed_since_.reset();
  if (until_) closed_since_ = timeline_.steady_now();
  changed_(until_);
}

StartGate::Duration StartGate::closed_time() const {
  return closed_since_ ? closed_before_ + (timeline_.steady_now() - *closed_since_) : closed_before_;
}

}  // namespace peerstage::daemon
