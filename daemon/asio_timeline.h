#pragma once

#include <boost/asio/io_context.hpp>

#include "daemon/timeline.h"

namespace peerstage::daemon {

/// The time of this machine, and an event loop that does things when they are due. The loop must outlive it.
class AsioTimeline final : public Timeline {
 public:
  explicit AsioTimeline(boost::asio::io_context& loop) : loop_(loop) {}

  Steady steady_now() const override { return std::chrono::steady_clock::now(); }
  Wall wall_now() const override { return std::chrono::system_clock::now(); }
  std::unique_ptr<Alarm> after(std::chrono::milliseconds delay, Act act) override;
  std::unique_ptr<Alarm> at(Wall when, Act act) override;

 private:
  boost::asio::io_context& loop_;
};

}  // namespace peerstage::daemon
