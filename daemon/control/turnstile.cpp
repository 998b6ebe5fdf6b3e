#include "daemon/control/turnstile.h"

#include <utility>

namespace peerstage::daemon {

void Turnstile::enter(Lane lane, Act act) {
  (lane == Lane::first ? first_ : usual_).push_back(std::move(act));
  if (!next_) next_ = timeline_.after({}, [this] { turn(); });
}

void Turnstile::turn() {
  std::deque<Act>& lane = first_.empty() ? usual_ : first_;
  if (lane.empty()) return next_.reset();
  const Act act = std::move(lane.front());
  lane.pop_front();
  const Timeline::Steady begun = timeline_.steady_now();
  act();
  owed_ += timeline_.steady_now() - begun;
  const auto pause = std::chrono::floor<std::chrono::milliseconds>(owed_);
  owed_ -= pause;
  next_ = timeline_.after(pause, [this] { turn(); });
}

}  // namespace peerstage::daemon
