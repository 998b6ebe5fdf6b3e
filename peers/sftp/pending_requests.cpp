#include "peers/sftp/pending_requests.h"

#include <stdexcept>

namespace peerstage::peers::sftp {

std::uint32_t PendingRequests::add(const PendingRequest& request) {
  if (free_.empty()) {
    if (places_.size() == capacity) throw std::logic_error("too many SFTP requests in flight");
    free_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back().id = free_.back();
  }
  Place& place = places_[free_.back()];
  free_.pop_back();
  place.request = request;
  place.pending = true;
  ++size_;
  awaited_ += request.awaited ? 1 : 0;
  return place.id;
}

std::optional<PendingRequest> PendingRequests::settle(std::uint32_t id) {
  const std::uint32_t index = id % capacity;
  if (index >= places_.size()) return std::nullopt;
  Place& place = places_[index];
  if (!place.pending || place.id != id) return std::nullopt;
  place.pending = false;
  place.id += capacity;
  free_.push_back(index);
  --size_;
  awaited_ -= place.request.awaited ? 1 : 0;
  return place.request;
}

}  // namespace peerstage::peers::sftp
