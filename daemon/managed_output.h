#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "peers/connection.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// What a command on a peer says, as lines for the log. Whoever is on the other side may say anything, and
/// without end: lines are escaped and cut, and after the first few hundred the rest is only counted.
class ManagedOutput {
 public:
  /// `name` begins each line. The observer must outlive it: the output gets there as info, the error output
  /// as warnings.
  ManagedOutput(std::string name, peers::Observer& observer) : name_(std::move(name)), observer_(observer) {}

  void take(peers::CommandStream stream, std::string_view bytes);
  /// Both streams have ended: tells a last line without an end, and how much was left out.
  void finish();

  /// The last line of the error output, else of the output; printable, empty: it said nothing.
  std::string last_words() const;

 private:
  /// One stream.
  struct Lines {
    std::string current;        ///< the line that is not at its end yet, as much of it as is kept
    std::uint64_t dropped = 0;  ///< bytes of it beyond
    std::string last;           ///< of the whole lines that were not empty
  };

  Lines& of(peers::CommandStream stream) { return stream == peers::CommandStream::output ? output_ : error_; }
  static void keep(Lines& lines, std::string_view bytes);
  void end_line(peers::CommandStream stream);

  std::string name_;
  peers::Observer& observer_;
  Lines output_, error_;
  std::size_t lines_told_ = 0, bytes_told_ = 0;
  std::uint64_t lines_left_out_ = 0;
};

}  // namespace peerstage::daemon
