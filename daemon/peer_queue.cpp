#include "daemon/peer_queue.h"

#include <algorithm>
#include <limits>

namespace peerstage::daemon {

PeerQueue::PeerQueue(const std::vector<std::string>& groups, const std::map<std::string, unsigned>& limits)
    : lines_(1) {
  lines_.front().limit = std::numeric_limits<unsigned>::max();
  std::map<std::string, std::size_t> known{{"", 0}};
  for (const std::string& group : groups) {
    const auto [line, is_new] = known.emplace(group, lines_.size());
    if (is_new) {
      const auto limit = limits.find(group);
      lines_.emplace_back().limit = limit == limits.end() ? 1 : std::max(1U, limit->second);
    }
    line_of_.push_back(line->second);
  }
}

void PeerQueue::add(std::size_t peer) {
  const std::size_t line = line_of_[peer];
  lines_[line].waiting.emplace_back(++last_ticket_, peer);
  offer(line);
}

std::size_t PeerQueue::take() {
  const std::size_t line = heads_.begin()->second;
  heads_.erase(heads_.begin());
  const std::size_t peer = lines_[line].waiting.front().second;
  lines_[line].waiting.pop_front();
  ++lines_[line].at_work;
  offer(line);
  return peer;
}

void PeerQueue::give_back(std::size_t peer) {
  const std::size_t line = line_of_[peer];
  --lines_[line].at_work;
  offer(line);
}

void PeerQueue::clear() {
  heads_.clear();
  for (Line& line : lines_) line.waiting.clear();
}

void PeerQueue::offer(std::size_t line) {
  if (lines_[line].may_start()) heads_.emplace(lines_[line].waiting.front().first, line);
}

}  // namespace peerstage::daemon
