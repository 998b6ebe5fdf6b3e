#include "daemon/asio_timeline.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/timerfd.h>
#include <unistd.h>

#include "peers/descriptor.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;

/// What an alarm does, and whether it still may: the loop may have taken the handler up already when the
/// alarm is let go of.
struct Armed {
  Timeline::Act act;
};

void ring(const std::weak_ptr<Armed>& armed) {
  if (const auto alive = armed.lock()) {
    const Timeline::Act act = std::move(alive->act);  // the act may let go of its own alarm
    act();
  }
}

class DelayAlarm final : public Alarm {
 public:
  DelayAlarm(asio::io_context& loop, std::chrono::milliseconds delay, Timeline::Act act)
      : armed_(std::make_shared<Armed>(Armed{std::move(act)})), timer_(loop, delay) {
    timer_.async_wait([armed = std::weak_ptr(armed_)](boost::system::error_code error) {
      if (!error) ring(armed);
    });
  }

 private:
  std::shared_ptr<Armed> armed_;
  asio::steady_timer timer_;
};

// When the clock cannot be waited for, it is looked at so often.
constexpr auto longest_without_timer = std::chrono::milliseconds(10'000);

/// A timer of the wall clock; readable when it is due, and with ECANCELED when the clock was set. Empty: none
/// can be had.
peers::Descriptor wall_timer(Timeline::Wall when) {
  peers::Descriptor timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch());
  itimerspec spec{};
  // A value of zero would disarm it, and one before the epoch is refused.
  const std::int64_t nanoseconds = std::max<std::int64_t>(1, since_epoch.count());
  spec.it_value.tv_sec = nanoseconds / 1'000'000'000;
  spec.it_value.tv_nsec = nanoseconds % 1'000'000'000;
  constexpr int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
  if (timer && ::timerfd_settime(timer.get(), flags, &spec, nullptr) != 0) timer.reset();
  return timer;
}

class WallAlarm final : public Alarm {
 public:
  WallAlarm(asio::io_context& loop, peers::Descriptor timer, Timeline::Act act)
      : armed_(std::make_shared<Armed>(Armed{std::move(act)})), timer_(loop, timer.release()) {
    timer_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [armed = std::weak_ptr(armed_)](boost::system::error_code error) {
                        if (!error) ring(armed);
                      });
  }

 private:
  std::shared_ptr<Armed> armed_;
  asio::posix::stream_descriptor timer_;
};

}  // namespace

std::unique_ptr<Alarm> AsioTimeline::after(std::chrono::milliseconds delay, Act act) {
  return std::make_unique<DelayAlarm>(loop_, delay, std::move(act));
}

/// With no descriptors left, whoever waits is called too early and asks again.
std::unique_ptr<Alarm> AsioTimeline::at(Wall when, Act act) {
  if (peers::Descriptor timer = wall_timer(when))
    return std::make_unique<WallAlarm>(loop_, std::move(timer), std::move(act));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - wall_now());
  return after(std::min(left, longest_without_timer), std::move(act));
}

}  // namespace peerstage::daemon
