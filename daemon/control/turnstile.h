#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "daemon/timeline.h"

namespace peerstage::daemon {

/// Lets one thing happen at a time, and the loop come round after it for at least as long as it took. So half
/// of the loop's time is left for the work of the daemon, whatever clients ask for, and nothing there waits
/// longer than for one answer.
class Turnstile {
 public:
  using Act = std::function<void()>;
  enum class Lane { usual, first };  ///< who wants something done goes before those who only look

  /// The timeline must outlive it.
  explicit Turnstile(Timeline& timeline) : timeline_(timeline) {}

  /// `act` is done when its turn has come, never from within this call. It may not throw.
  void enter(Lane lane, Act act);

 private:
  void turn();

  Timeline& timeline_;
  std::deque<Act> first_, usual_;
  Timeline::Steady::duration owed_{0};  ///< to the loop; a timer knows nothing below a millisecond
  std::unique_ptr<Alarm> next_;
};

}  // namespace peerstage::daemon
