#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "daemon/schedule/zone.h"

namespace peerstage::daemon {

/// How the offset of a zone changes, whatever it was read from. Everything else about a zone follows.
class Zone::Rules {
 public:
  struct Period {
    std::chrono::sys_seconds begin, end;  ///< the end is the first second behind it
    std::chrono::seconds offset;
    std::string abbreviation;
  };

  virtual ~Rules() = default;
  virtual Period period_at(std::chrono::sys_seconds when) const = 0;
};

std::shared_ptr<const Zone::Rules> utc_rules();
/// Throws std::runtime_error: no such zone, or no database.
std::shared_ptr<const Zone::Rules> rules_of_database(const std::string& name);
/// Throws std::runtime_error.
std::shared_ptr<const Zone::Rules> rules_of_description(const std::string& text);

}  // namespace peerstage::daemon
