#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "peers/command.h"

namespace peerstage::peers {

/// How long a command may still go on: its deadlines, and after its end how long the streams are waited for
/// that something else has.
class CommandDeadlines {
 public:
  using Clock = std::chrono::steady_clock;

  /// The command begins now. It must outlive this.
  explicit CommandDeadlines(const Command& command) : command_(command) {}

  /// It begins only now.
  void begin() { start_ = last_heard_ = Clock::now(); }
  /// It said something.
  void heard() { last_heard_ = Clock::now(); }
  /// Its process has ended; that its streams have, too, is another matter. Only the first call counts.
  void ended() {
    if (!ended_) ended_ = Clock::now();
  }
  bool has_ended() const { return ended_.has_value(); }

  /// Until something has to be done about it, rounded up; a day at most.
  std::chrono::milliseconds left() const;

  /// "did not end within 700 ms", where a deadline has passed.
  std::optional<std::string> exceeded() const;
  /// It has ended, and its streams were waited for long enough.
  bool waited_enough() const;

 private:
  Clock::time_point end_of_patience() const;

  const Command& command_;
  Clock::time_point start_ = Clock::now(), last_heard_ = start_;
  std::optional<Clock::time_point> ended_;
};

}  // namespace peerstage::peers
