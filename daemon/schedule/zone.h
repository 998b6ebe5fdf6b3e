#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace peerstage::daemon {

using WallTime = std::chrono::system_clock::time_point;

/// What the clocks of one place show: values, cheap to copy, that never change once made.
class Zone {
 public:
  /// From some change of the clocks to the next one the offset is one and the same.
  struct Period {
    std::chrono::seconds offset;  ///< local time minus UTC
    std::string abbreviation;     ///< such as CEST
    WallTime end;                 ///< the first moment behind it; the largest time: never
  };

  /// When the clocks show a time: once, never (they are set forward over it) or twice (they are set back).
  struct Moments {
    enum class Kind { once, never, twice };
    Kind kind = Kind::once;
    WallTime first;  ///< never: the moment at which the clocks are set forward
    WallTime last;   ///< the same as first, unless it is twice
  };

  class Rules;

  /// UTC.
  Zone();
  /// One of the zone database, such as Europe/Berlin. Throws std::runtime_error: no such zone, or no
  /// database.
  static Zone named(const std::string& name);
  /// One that tzset(3) describes, such as CET-1CEST,M3.5.0,M10.5.0/3. Throws std::runtime_error.
  static Zone described(const std::string& text);

  const std::string& name() const { return name_; }
  Period period_at(WallTime when) const;
  std::chrono::local_seconds to_local(WallTime when) const;
  Moments to_wall(std::chrono::local_seconds local) const;

 private:
  Zone(std::string name, std::shared_ptr<const Rules> rules);

  std::string name_;
  std::shared_ptr<const Rules> rules_;
};

/// The zone of this machine, and what is wrong with it.
struct MachineZone {
  Zone zone;
  std::string warning;  ///< one sentence; empty: all is well
};

/// Where it stands which zone this machine is in.
struct ZoneSources {
  const char* tz = nullptr;                  ///< the variable of tzset(3); null: /etc/localtime counts
  std::string localtime = "/etc/localtime";  ///< localtime(5): a link into the database, or a copy
  std::string timezone = "/etc/timezone";    ///< Debian's: the name that a copy is likely to have
};

/// As tzset(3) has it: what TZ says, else /etc/localtime, else UTC. What cannot be understood is UTC, too,
/// with a warning. Looks anew each time, so that a change is noticed; reads small files. Does not throw.
MachineZone machine_zone();
MachineZone machine_zone(const ZoneSources& sources);

}  // namespace peerstage::daemon
