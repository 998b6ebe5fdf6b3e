#include "peers/command_deadlines.h"

#include <algorithm>

namespace peerstage::peers {
namespace {

using std::chrono::milliseconds;

constexpr auto longest_wait = std::chrono::hours(24);
// What the command itself has said arrives at once. Others may have its streams for ever, and talk for ever.
constexpr auto silence_after_end = std::chrono::seconds(2);
constexpr auto talk_after_end = std::chrono::seconds(10);

}  // namespace

CommandDeadlines::Clock::time_point CommandDeadlines::end_of_patience() const {
  return std::min(std::max(*ended_, last_heard_) + silence_after_end, *ended_ + talk_after_end);
}

milliseconds CommandDeadlines::left() const {
  const auto now = Clock::now();
  auto next = now + longest_wait;
  if (command_.deadline.count() > 0) next = std::min(next, start_ + command_.deadline);
  if (ended_) {
    next = std::min(next, end_of_patience());
  } else if (command_.idle_deadline.count() > 0) {
    next = std::min(next, last_heard_ + command_.idle_deadline);
  }
  return std::max(std::chrono::ceil<milliseconds>(next - now), milliseconds(0));
}

std::optional<std::string> CommandDeadlines::exceeded() const {
  const auto now = Clock::now();
  if (ended_) return std::nullopt;
  if (command_.deadline.count() > 0 && now >= start_ + command_.deadline)
    return "did not end within " + std::to_string(command_.deadline.count()) + " ms";
  if (command_.idle_deadline.count() > 0 && now >= last_heard_ + command_.idle_deadline)
    return "said nothing for " + std::to_string(command_.idle_deadline.count()) + " ms";
  return std::nullopt;
}

bool CommandDeadlines::waited_enough() const {
  if (!ended_) return false;
  const auto now = Clock::now();
  return now >= end_of_patience() || (command_.deadline.count() > 0 && now >= start_ + command_.deadline);
}

}  // namespace peerstage::peers
