#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace peerstage::daemon {

/// Something that will be done; letting go of it calls it off. It may be let go of while it is done.
class Alarm {
 public:
  virtual ~Alarm() = default;
};

/// What time it is, and doing something later. The real one is the event loop; tests own theirs and let weeks
/// pass in a moment. Everything that the supervisor and the daemon know of time comes from here.
///
/// One thread. Nothing is done from within a call: what is asked for happens when the loop comes round.
class Timeline {
 public:
  using Steady = std::chrono::steady_clock::time_point;
  using Wall = std::chrono::system_clock::time_point;
  using Act = std::function<void()>;

  virtual ~Timeline() = default;

  /// For delays and deadlines: only goes forward.
  virtual Steady steady_now() const = 0;
  /// For the calendar: may be set, in both directions.
  virtual Wall wall_now() const = 0;

  /// Once, when `delay` has passed (at once for 0 or less, but never from within the call).
  [[nodiscard]] virtual std::unique_ptr<Alarm> after(std::chrono::milliseconds delay, Act act) = 0;
  /// Once, when the wall clock shows `when` or later, or earlier than that when the wall clock was set or the
  /// machine woke up: whoever is called looks at the clock and asks again (timerfd_create(2),
  /// TFD_TIMER_CANCEL_ON_SET).
  [[nodiscard]] virtual std::unique_ptr<Alarm> at(Wall when, Act act) = 0;
};

}  // namespace peerstage::daemon
