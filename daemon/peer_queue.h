#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace peerstage::daemon {

/// Peers that wait for their turn: first come, first served, but never more of a group at work than may be.
/// Those of other groups go past a group that is full. Adding and taking cost the same however many wait: a
/// line for each group, and only the heads of lines are compared.
class PeerQueue {
 public:
  /// `groups`: of each peer by its index, empty: none. `limits`: how many of a group may be at work; missing:
  /// 1.
  PeerQueue(const std::vector<std::string>& groups, const std::map<std::string, unsigned>& limits);

  /// To the end. The peer is neither waiting nor at work.
  void add(std::size_t peer);
  /// Is there one whose group has room?
  bool has_next() const { return !heads_.empty(); }
  /// The first whose group has room, which is at work from now on. There must be one.
  std::size_t take();
  /// It is not at work any more.
  void give_back(std::size_t peer);
  /// Nobody waits any more.
  void clear();

 private:
  using Ticket = std::uint64_t;

  struct Line {
    std::deque<std::pair<Ticket, std::size_t>> waiting;
    unsigned limit = 0, at_work = 0;
    bool may_start() const { return !waiting.empty() && at_work < limit; }
  };

  void offer(std::size_t line);

  std::vector<Line> lines_;              ///< of the groups; the first is of peers without one
  std::vector<std::size_t> line_of_;     ///< each peer
  std::map<Ticket, std::size_t> heads_;  ///< lines that may start, by the ticket of their first peer
  Ticket last_ticket_ = 0;
};

}  // namespace peerstage::daemon
