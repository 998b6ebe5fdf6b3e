#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "peers/sftp/handle_forecast.h"
#include "peers/sftp/packet.h"

namespace peerstage::peers::sftp {

/// A request whose answer is awaited.
struct PendingRequest {
  PacketType type{};
  std::uint32_t tag = 0;  ///< the asker's own number for it
  std::chrono::steady_clock::time_point sent;
  bool awaited = true;            ///< false: nobody waits for the answer, but it is due
  HandleForecast::Slot slot = 0;  ///< of what opens something
};

/// The requests on their way, by id. An id names a place in a dense table and how often that place was used,
/// so that an answer to nothing, or a second answer to the same request, is recognised exactly and without
/// searching.
class PendingRequests {
 public:
  static constexpr std::size_t capacity = 8192;

  std::size_t size() const { return size_; }
  /// Of these, those that somebody waits for.
  std::size_t awaited() const { return awaited_; }

  /// The id for a new request. There must be fewer than `capacity`.
  std::uint32_t add(const PendingRequest& request);

  /// Takes the request with this id out; absent if no such request is pending.
  std::optional<PendingRequest> settle(std::uint32_t id);

 private:
  struct Place {
    PendingRequest request;
    std::uint32_t id = 0;
    bool pending = false;
  };

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0, awaited_ = 0;
};

}  // namespace peerstage::peers::sftp
