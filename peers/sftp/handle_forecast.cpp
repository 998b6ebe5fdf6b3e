#include "peers/sftp/handle_forecast.h"

#include <cstddef>

namespace peerstage::peers::sftp {
namespace {

constexpr std::size_t handle_size = 4;

}  // namespace

HandleForecast::Slot HandleForecast::opening() {
  if (is_wrong_ || free_.empty()) return slots_++;
  const Slot slot = free_.back();
  free_.pop_back();
  return slot;
}

void HandleForecast::closing(std::string_view handle) {
  if (is_wrong_) return;
  if (const auto slot = slot_of(handle)) free_.push_back(*slot);
}

void HandleForecast::opened(Slot slot, std::string_view handle) {
  (slot_of(handle) == slot ? was_right_ : is_wrong_) = true;
}

std::string HandleForecast::handle_of(Slot slot) {
  std::string handle;
  for (int shift = 24; shift >= 0; shift -= 8)
    handle += static_cast<char>(slot >> static_cast<unsigned>(shift));
  return handle;
}

std::optional<HandleForecast::Slot> HandleForecast::slot_of(std::string_view handle) {
  if (handle.size() != handle_size) return std::nullopt;
  Slot slot = 0;
  for (const char byte : handle) slot = slot << 8U | static_cast<unsigned char>(byte);
  return slot;
}

}  // namespace peerstage::peers::sftp
