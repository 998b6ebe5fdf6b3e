#pragma once

#include <bitset>
#include <chrono>
#include <string>

/// When something is to happen, as it is written down: values without a date or a zone. What they mean on the
/// clock is arithmetic of daemon/schedule/.
namespace peerstage::config {

/// The five fields of crontab(5), or one of its @words. A bit is a value that matches.
struct CrontabRule {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     ///< of the month, from 1
  std::bitset<13> months;   ///< from 1
  std::bitset<7> weekdays;  ///< Sunday is 0
  /// crontab(5): where both day fields are restricted (neither begins with an asterisk), one that matches is
  /// enough; else both have to.
  bool any_day_matches = false;
  std::string text;  ///< as it was written, with one blank between the fields
  bool operator==(const CrontabRule&) const = default;
};

/// A part of every day, from `begin` up to but not including `end`; with `end` before `begin` it crosses
/// midnight.
struct TimeWindow {
  std::chrono::minutes begin{0}, end{0};  ///< since midnight, local, below 24 h
  bool operator==(const TimeWindow&) const = default;
};

}  // namespace peerstage::config
