#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "peers/descriptor.h"

namespace peerstage::peers::ssh {

/// Ends what would otherwise block for ever: libssh bounds few of its calls by a timeout, but each of them
/// returns at once when the socket under it is shut down. One thread, asleep until a deadline; that thread
/// calls shutdown(2) and nothing else.
class Watchdog {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Watchdog();   ///< throws PeerError, transient, where no thread can be had
  ~Watchdog();  ///< ends the thread; does not wait for the deadline
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// A socket to shut down. The watchdog keeps a duplicate of its own: libssh closes sockets when it sees
  /// fit, and the number may then already mean something else. Throws PeerError.
  void guard(int socket);

  /// Sets the deadline. Cheap enough for every packet.
  void arm(TimePoint deadline);
  void disarm();

  /// Shuts the sockets down now; for good, like a deadline that passed.
  void abort();

  /// Whether a deadline has passed while it was armed. Stays so: the sockets are gone.
  bool expired() const;

 private:
  void run();
  void shut_down();

  mutable std::mutex mutex_;  // guards all that follows, the thread excepted
  std::condition_variable changed_;
  std::vector<Descriptor> sockets_;
  TimePoint deadline_ = TimePoint::max();
  TimePoint wakes_at_ = TimePoint::max();
  bool expired_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace peerstage::peers::ssh
