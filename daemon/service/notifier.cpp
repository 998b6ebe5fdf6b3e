#include "daemon/service/notifier.h"

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>
#include <utility>

#include <boost/asio/post.hpp>
#include <unistd.h>

#include "config/source_file.h"
#include "daemon/readable.h"
#include "daemon/service/http_post.h"
#include "daemon/service/mail.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using config::Notify;
using peers::EventLevel;
using std::chrono::milliseconds;

constexpr std::size_t most_lines_told = 100;
constexpr std::size_t longest_line_told = 1000;

/// Whom a notification goes to, for the log.
std::string shown(const Notify& whom) {
  switch (whom.way) {
    case Notify::Way::command:
      return "the command " + peers::printable(whom.target, 200);
    case Notify::Way::url:
      return shown_url(whom.target);
    case Notify::Way::mailto:
      break;
  }
  return peers::printable(whom.target, 200) + " by mail";
}

/// What it is about, for the log.
std::string shown(const Notification& what) {
  return std::string(to_string(what.event)) + (what.job.empty() ? "" : " of " + what.job) +
         (what.run.empty() ? "" : ", run " + what.run);
}

/// A post writes one sentence; a command may write what it likes.
std::string reason(const Notify& whom, const ChildResult& result) {
  if (whom.way != Notify::Way::url || result.end != ChildResult::End::exited || result.output.empty())
    return to_string(result);
  return peers::printable(std::string_view(result.output).substr(0, result.output.find('\n')),
                          longest_line_told);
}

/// A program of root's must be root's alone.
void refuse_changeable(const std::string& program) {
  if (::geteuid() != 0) return;
  if (const auto who = config::changeable_by_others(program))
    throw std::runtime_error("it is not run as root: " + *who);
}

}  // namespace

std::optional<milliseconds> delay_before_next(unsigned failed_deliveries) {
  constexpr std::array delays{milliseconds(10'000), milliseconds(60'000), milliseconds(300'000)};
  if (failed_deliveries == 0) return milliseconds(0);
  if (failed_deliveries > delays.size()) return std::nullopt;
  return delays.at(failed_deliveries - 1);
}

Notifier::Notifier(boost::asio::io_context& loop, Timeline& timeline, Tell tell, Settings settings)
    : loop_(loop),
      timeline_(timeline),
      tell_(std::move(tell)),
      settings_(std::move(settings)),
      self_(calling_user()) {}

Notifier::Notifier(boost::asio::io_context& loop, Timeline& timeline, Tell tell)
    : Notifier(loop, timeline, std::move(tell), Settings{}) {}

Notifier::~Notifier() = default;

void Notifier::tell(const std::vector<Notify>& everybody, const Notification& notification) {
  const auto what = std::make_shared<const Notification>(notification);
  for (const Notify& whom : everybody)
    if (is_told(whom.on, notification.event)) take(whom, what);
}

void Notifier::tell(const Notify& whom, const Notification& notification) {
  take(whom, std::make_shared<const Notification>(notification));
}

void Notifier::take(const Notify& whom, std::shared_ptr<const Notification> what) {
  const Number number = ++last_number_;
  deliveries_.emplace(number, Delivery{whom, std::move(what), 0, nullptr, nullptr});
  if (stopping_) return give_up(number, "the daemon is stopping");
  if (deliveries_.size() > settings_.at_once + settings_.waiting)
    return give_up(number, std::to_string(settings_.waiting) + " others wait already");
  ready_.push_back(number);
  start_some();
}

void Notifier::start_some() {
  while (running_ < settings_.at_once && !ready_.empty()) {
    const Number number = ready_.front();
    ready_.pop_front();
    start(number);
  }
}

void Notifier::start(Number number) {
  Delivery& delivery = deliveries_.at(number);
  try {
    delivery.child =
        std::make_unique<ChildCommand>(loop_, timeline_, order(delivery),
                                       [this, number](const ChildResult& result) { ended(number, result); });
    ++running_;
  } catch (const std::exception& error) {
    give_up(number, error.what());
  }
}

ChildOrder Notifier::order(const Delivery& delivery) const {
  ChildOrder order;
  switch (delivery.whom.way) {
    case Notify::Way::command:
      order = command_order(delivery);
      break;
    case Notify::Way::url:
      order = url_order(delivery);
      break;
    case Notify::Way::mailto:
      order = mail_order(delivery);
      break;
  }
  order.deadline = settings_.deadline;
  order.mercy = settings_.mercy;
  return order;
}

ChildOrder Notifier::command_order(const Delivery& delivery) const {
  const std::string& program = delivery.whom.target;
  refuse_changeable(program);
  ChildOrder order;
  order.body = run_program({program}, environment(*delivery.what));
  order.input = delivery.what->document;
  return order;
}

ChildOrder Notifier::url_order(const Delivery& delivery) const {
  HttpPost post;
  post.url = delivery.whom.target;
  post.user = settings_.network_user;
  post.parent = ::getpid();
  ChildOrder order;
  order.body = [post] { return post_from_standard_input(post); };
  order.input = delivery.what->document;
  return order;
}

ChildOrder Notifier::mail_order(const Delivery& delivery) const {
  const Notification& what = *delivery.what;
  ChildOrder order;
  order.body = run_program({settings_.sendmail, "-t", "-i"}, environment(what));
  order.input = compose({delivery.whom.target, what.subject, what.body, timeline_.wall_now()});
  // Some mail systems go on delivering in the background.
  order.leftovers = Leftovers::left_alone;
  return order;
}

std::vector<std::string> Notifier::environment(const Notification& notification) const {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "LANG=C.UTF-8",
          "LC_ALL=C.UTF-8",
          "HOME=" + self_.home,
          std::string("PEERSTAGE_EVENT=") + to_string(notification.event),
          "PEERSTAGE_RUN=" + notification.run,
          "PEERSTAGE_JOB=" + notification.job,
          "PEERSTAGE_STATUS=" + notification.status};
}

void Notifier::ended(Number number, const ChildResult& result) {
  Delivery& delivery = deliveries_.at(number);
  delivery.child.reset();
  --running_;
  if (delivery.whom.way != Notify::Way::url) log_output(delivery, result);
  const std::string why = reason(delivery.whom, result);
  if (result.succeeded()) {
    tell_(EventLevel::info, "told " + shown(delivery.whom) + ": " + shown(*delivery.what),
          delivery.what->run);
    forget(number);
  } else if (!try_again_later(number, why)) {
    give_up(number, why);
  }
  start_some();
}

/// Only servers: a command knows best itself, and sendmail has a queue.
bool Notifier::try_again_later(Number number, const std::string& why) {
  Delivery& delivery = deliveries_.at(number);
  if (delivery.whom.way != Notify::Way::url || stopping_) return false;
  const auto delay = delay_before_next(++delivery.failures);
  if (!delay) return false;
  tell_(EventLevel::warning,
        "could not tell " + shown(delivery.whom) + ": " + why + "; next attempt in " +
            readable_duration(*delay),
        delivery.what->run);
  delivery.again = timeline_.after(*delay, [this, number] {
    deliveries_.at(number).again.reset();
    ready_.push_back(number);
    start_some();
  });
  return true;
}

void Notifier::log_output(const Delivery& delivery, const ChildResult& result) {
  const EventLevel level = result.succeeded() ? EventLevel::info : EventLevel::warning;
  std::string_view rest = result.output;
  for (std::size_t lines = 0; !rest.empty() && lines < most_lines_told; ++lines) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) {
      tell_(level,
            shown(delivery.whom) + " says: " + peers::printable(rest.substr(0, end), longest_line_told),
            delivery.what->run);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const std::uint64_t unseen = result.output_bytes - result.output.size() + rest.size();
  if (result.output_bytes > 0 && unseen > 0) {
    tell_(level, shown(delivery.whom) + " said " + std::to_string(unseen) + " bytes more",
          delivery.what->run);
  }
}

void Notifier::give_up(Number number, const std::string& why) {
  const Delivery& delivery = deliveries_.at(number);
  const std::string tries =
      delivery.failures > 1 ? " (" + std::to_string(delivery.failures) + " attempts)" : "";
  tell_(EventLevel::error,
        "could not tell " + shown(delivery.whom) + " (" + shown(*delivery.what) + "): " + why + tries,
        delivery.what->run);
  forget(number);
}

void Notifier::forget(Number number) {
  deliveries_.erase(number);
  if (stopped_ && deliveries_.empty()) {
    end_of_grace_.reset();
    boost::asio::post(loop_, std::exchange(stopped_, nullptr));
  }
}

void Notifier::stop(milliseconds grace, std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  std::vector<Number> waiting;
  for (const auto& [number, delivery] : deliveries_)
    if (delivery.again) waiting.push_back(number);
  for (const Number number : waiting) give_up(number, "the daemon is stopping before the next attempt");
  if (deliveries_.empty()) {
    if (stopped_) boost::asio::post(loop_, std::exchange(stopped_, nullptr));
    return;
  }
  end_of_grace_ = timeline_.after(grace, [this] { give_up_all(); });
}

void Notifier::give_up_all() {
  ready_.clear();
  while (!deliveries_.empty()) {
    if (deliveries_.begin()->second.child) --running_;
    give_up(deliveries_.begin()->first, "the daemon is stopping");
  }
}

}  // namespace peerstage::daemon
