#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "daemon/timeline.h"

namespace peerstage::daemon {

/// Whether attempts may start now, by the clock on the wall; adds up the time in which they might not.
class StartGate {
 public:
  using Duration = Timeline::Steady::duration;
  /// When attempts may start again, asked at that time; absent: now.
  using ClosedUntil = std::function<std::optional<Timeline::Wall>(Timeline::Wall now)>;
  /// Hears when that changes.
  using Changed = std::function<void(std::optional<Timeline::Wall> until)>;

  /// `closed_until` may be empty: never closed then. `opened` is called when a gate that was found closed is
  /// open again.
  StartGate(Timeline& timeline, ClosedUntil closed_until, Changed changed, Timeline::Act opened);

  /// Looks at the clock.
  bool open();
  /// When it was looked at last.
  bool was_closed() const { return closed_since_.has_value(); }
  /// In all, as far as it was looked at.
  Duration closed_time() const;
  /// Nobody wants to start any more.
  void forget() { alarm_.reset(); }

 private:
  void take_note(std::optional<Timeline::Wall> until);

  Timeline& timeline_;
  ClosedUntil closed_until_;
  Changed changed_;
  Timeline::Act opened_;
  std::optional<Timeline::Wall> until_;
  std::optional<Timeline::Steady> closed_since_;
  Duration closed_before_{0};
  std::unique_ptr<Alarm> alarm_;
};

}  // namespace peerstage::daemon
