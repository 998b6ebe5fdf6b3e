#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "config/config.h"
#include "daemon/service/child_command.h"
#include "daemon/service/notification.h"
#include "daemon/timeline.h"
#include "daemon/user.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// How long to wait after so many failed deliveries to a URL before the next one; absent: give up.
std::optional<std::chrono::milliseconds> delay_before_next(unsigned failed_deliveries);

/// Tells people and programs what happened: by a command, a POST or mail. What cannot be delivered is an
/// error in the log and nothing else.
///
/// Each delivery is a child process; a few run at once, some wait, and when too many wait the newest is
/// refused. One thread; nothing blocks.
class Notifier {
 public:
  struct Settings {
    std::string sendmail = "/usr/sbin/sendmail";
    /// Whom a delivery to a URL becomes; absent: it stays who we are. For a daemon of root's.
    std::optional<User> network_user;
    std::chrono::milliseconds deadline{60'000}, mercy{5'000};
    std::size_t at_once = 4, waiting = 32;
  };
  /// For the log. `run` is the id of the run that it is about, or empty.
  using Tell = std::function<void(peers::EventLevel level, const std::string& text, const std::string& run)>;

  /// `loop` and `timeline` must outlive it.
  Notifier(boost::asio::io_context& loop, Timeline& timeline, Tell tell, Settings settings);
  Notifier(boost::asio::io_context& loop, Timeline& timeline, Tell tell);
  /// Kills what is under way.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// All of those who asked to be told of such an event.
  void tell(const std::vector<config::Notify>& everybody, const Notification& notification);
  void tell(const config::Notify& whom, const Notification& notification);

  /// Takes nothing more. What is under way or waits has `grace` to be done, then it is killed and logged as
  /// lost. `done` is called once nothing is left, from the loop.
  void stop(std::chrono::milliseconds grace, std::function<void()> done);

  /// Deliveries that run or wait, also for their next attempt.
  std::size_t pending() const { return deliveries_.size(); }

 private:
  struct Delivery {
    config::Notify whom;
    std::shared_ptr<const Notification> what;  ///< shared: a document may be large
    unsigned failures = 0;
    std::unique_ptr<ChildCommand> child;  ///< while it runs
    std::unique_ptr<Alarm> again;         ///< while it waits for its next attempt
  };
  using Number = std::uint64_t;

  void take(const config::Notify& whom, std::shared_ptr<const Notification> what);
  void start_some();
  void start(Number number);
  ChildOrder order(const Delivery& delivery) const;
  ChildOrder command_order(const Delivery& delivery) const;
  ChildOrder url_order(const Delivery& delivery) const;
  ChildOrder mail_order(const Delivery& delivery) const;
  std::vector<std::string> environment(const Notification& notification) const;
  void ended(Number number, const ChildResult& result);
  bool try_again_later(Number number, const std::string& why);
  void log_output(const Delivery& delivery, const ChildResult& result);
  void give_up(Number number, const std::string& why);
  void give_up_all();
  void forget(Number number);

  boost::asio::io_context& loop_;
  Timeline& timeline_;
  Tell tell_;
  Settings settings_;
  User self_;
  std::map<Number, Delivery> deliveries_;
  std::deque<Number> ready_;  ///< to be started, in this order
  std::size_t running_ = 0;
  Number last_number_ = 0;
  bool stopping_ = false;
  std::function<void()> stopped_;
  std::unique_ptr<Alarm> end_of_grace_;
};

}  // namespace peerstage::daemon
