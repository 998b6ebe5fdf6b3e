#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "daemon/timeline.h"

namespace peerstage::daemon {

/// What a child process does after everything around it is in order; what it returns is its exit status.
using ChildBody = std::function<int()>;

/// What becomes of processes that a command has left behind when it ends.
enum class Leftovers { killed, left_alone };

/// How a child is run. Whatever it does (hang, flood, ignore SIGTERM, fork and go), the loop never waits for
/// it.
struct ChildOrder {
  ChildBody body;
  std::string input;  ///< on its standard input, from a file in memory: whether it reads it is its own affair
  std::chrono::milliseconds deadline{60'000};  ///< then SIGTERM to its process group
  std::chrono::milliseconds mercy{5'000};      ///< after that, SIGKILL
  std::size_t output_limit = 64U << 10U;       ///< bytes kept of both output streams together
  std::uint64_t flood = 16U << 20U;            ///< from so many bytes on it is ended like at its deadline
  Leftovers leftovers = Leftovers::killed;     ///< of its process group; who left that is let go of
  /// What it writes, as it comes: raw bytes, in pieces of any size, kept or not. Must not throw.
  std::function<void(std::string_view)> heard = {};
};

struct ChildResult {
  enum class End { exited, by_signal, deadline, flood, asked, not_started };
  End end = End::not_started;
  int number = 0;  ///< exit status, or of the signal
  std::string output;
  std::uint64_t output_bytes = 0;  ///< in all, kept or not

  bool succeeded() const { return end == End::exited && number == 0; }
};

/// "exit status 1", "was ended by the signal TERM", ...: for the end of a sentence.
std::string to_string(const ChildResult& result);

/// A body that becomes the program, found by its absolute path, with these words (the first is its name) and
/// exactly this environment. Exit status 127 when it cannot be run, with a sentence on its output.
ChildBody run_program(std::vector<std::string> words, std::vector<std::string> environment);

/// A child process on the event loop: in a session of its own, in "/", with umask 022, with default signals,
/// with its input, with one pipe for both output streams, and without any other descriptor. It gets SIGTERM
/// when its parent dies. Destroying it kills its process group.
class ChildCommand {
 public:
  using Done = std::function<void(const ChildResult&)>;

  /// `done` is called once, from the loop, and may destroy this object. Both references must outlive it. A
  /// child that cannot be started is a result, too.
  ChildCommand(boost::asio::io_context& loop, Timeline& timeline, ChildOrder order, Done done);
  ~ChildCommand();
  ChildCommand(const ChildCommand&) = delete;
  ChildCommand& operator=(const ChildCommand&) = delete;

  /// Has it ended like at its deadline; `done` is called as always.
  void end();

 private:
  class Running;
  std::shared_ptr<Running> running_;
};

}  // namespace peerstage::daemon
