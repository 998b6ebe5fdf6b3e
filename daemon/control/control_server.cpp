#include "daemon/control/control_server.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/local/stream_protocol.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/asio_timeline.h"
#include "daemon/control/session.h"
#include "daemon/control/turnstile.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;

/// Asio closes what it is given, and the socket wants to live until its file is gone.
int duplicate(int descriptor) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw std::system_error(errno, std::generic_category(), "cannot use the control socket");
  return copy;
}

std::string name_of(const std::optional<Caller>& caller) {
  return caller ? "the user " + std::to_string(caller->uid) : "somebody unknown";
}

}  // namespace

class ControlServer::Reception final : public Session::Host, public std::enable_shared_from_this<Reception> {
 public:
  Reception(asio::io_context& loop, ControlSocket socket, AccessPolicy policy, Controllable& daemon,
            Tell tell, ControlLimits limits)
      : policy_(policy),
        daemon_(daemon),
        tell_(std::move(tell)),
        limits_(limits),
        socket_(std::move(socket)),
        acceptor_(loop, asio::local::stream_protocol(), duplicate(socket_.descriptor())),
        timeline_(loop),
        turnstile_(timeline_) {}

  void accept();
  void close();
  void set_policy(AccessPolicy policy) { policy_ = policy; }

  void wants_answer(Session& session) override;
  ApiAnswer answer(const Session& session, const ApiRequest& request) override;
  void holds(std::ptrdiff_t bytes) override { pending_bytes_ += bytes; }
  void ended(Session& session) override { forget(session); }

 private:
  using Sessions = std::vector<std::shared_ptr<Session>>;

  void accepted(boost::system::error_code error, Session::Socket socket);
  void pause_accepting(boost::system::error_code error);
  void receive(Session::Socket socket);
  bool has_room_for(const std::optional<Caller>& caller, Access access) const;
  bool send_an_idle_one_home(Access newcomer);
  template <typename Condition>
  std::size_t count_of(Condition condition) const;
  void forget(const Session& session);
  bool holds_too_much_for(const Session& session) const;
  void tell(peers::EventLevel level, const std::string& text) const {
    if (tell_) tell_(level, text);
  }

  AccessPolicy policy_;
  Controllable& daemon_;
  Tell tell_;
  const ControlLimits limits_;
  ControlSocket socket_;
  asio::local::stream_protocol::acceptor acceptor_;
  AsioTimeline timeline_;
  Turnstile turnstile_;
  std::unique_ptr<Alarm> pause_;
  Sessions sessions_;  ///< the oldest first
  std::ptrdiff_t pending_bytes_ = 0;
  bool cannot_accept_ = false;  ///< and that was told
};

void ControlServer::Reception::accept() {
  acceptor_.async_accept([weak = weak_from_this()](boost::system::error_code error, Session::Socket socket) {
    const auto self = weak.lock();
    if (self && self->acceptor_.is_open()) self->accepted(error, std::move(socket));
  });
}

void ControlServer::Reception::accepted(boost::system::error_code error, Session::Socket socket) {
  if (error == asio::error::connection_aborted) return accept();
  if (error) return pause_accepting(error);
  cannot_accept_ = false;
  receive(std::move(socket));
  accept();
}

/// With no descriptors left the client stays in the queue, and asking again at once would be a busy loop.
void ControlServer::Reception::pause_accepting(boost::system::error_code error) {
  if (!std::exchange(cannot_accept_, true))
    tell(peers::EventLevel::warning,
         "nobody can connect to the control socket for the moment: " + peers::printable(error.message()));
  pause_ = timeline_.after(limits_.accept_pause, [this] { accept(); });
}

void ControlServer::Reception::receive(Session::Socket socket) {
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);  // Asio does not, and the daemon starts programs
  const auto caller = caller_of(socket.native_handle());
  const Access access = caller ? access_of(*caller, policy_) : Access::none;
  if (!has_room_for(caller, access) && !send_an_idle_one_home(access))
    return turn_away(socket, error_answer(503, "too many clients are at the control socket; try again soon"));
  sessions_.push_back(std::make_shared<Session>(std::move(socket), caller, access, limits_, *this));
  sessions_.back()->start();
}

template <typename Condition>
std::size_t ControlServer::Reception::count_of(Condition condition) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(sessions_, [&](const auto& session) { return condition(*session); }));
}

bool ControlServer::Reception::has_room_for(const std::optional<Caller>& caller, Access access) const {
  if (sessions_.size() >= limits_.clients) return false;
  if (access == Access::full) return true;
  const auto only_looks = [](const Session& session) { return session.access() != Access::full; };
  const auto is_his = [&](const Session& session) {
    return session.caller() && caller && session.caller()->uid == caller->uid;
  };
  return count_of(only_looks) < limits_.readers && count_of(is_his) < limits_.of_one_reader;
}

/// The oldest that makes room for this one: whoever may only look takes no place from the others.
bool ControlServer::Reception::send_an_idle_one_home(Access newcomer) {
  const auto now = std::chrono::steady_clock::now();
  const auto idle = std::ranges::find_if(sessions_, [&](const auto& session) {
    const auto since = session->idle_since();
    return since && now - *since >= limits_.idle_grace &&
           (newcomer == Access::full || session->access() != Access::full);
  });
  if (idle == sessions_.end()) return false;
  (*idle)->close();
  sessions_.erase(idle);
  return true;
}

void ControlServer::Reception::forget(const Session& session) {
  std::erase_if(sessions_, [&session](const auto& each) { return each.get() == &session; });
}

void ControlServer::Reception::wants_answer(Session& session) {
  const auto lane = session.only_looks() ? Turnstile::Lane::usual : Turnstile::Lane::first;
  turnstile_.enter(session.access() == Access::full ? lane : Turnstile::Lane::usual,
                   [waiting = session.shared_from_this()] { waiting->answer(); });
}

bool ControlServer::Reception::holds_too_much_for(const Session& session) const {
  const std::size_t limit =
      session.access() == Access::full ? limits_.pending_bytes : limits_.pending_bytes / 4 * 3;
  return session.only_looks() && static_cast<std::size_t>(pending_bytes_) >= limit;
}

ApiAnswer ControlServer::Reception::answer(const Session& session, const ApiRequest& request) {
  if (holds_too_much_for(session))
    return error_answer(503, "too many long answers wait for their readers; try again soon");
  ApiAnswer answer = respond(request, daemon_);
  if (!session.only_looks())
    tell(peers::EventLevel::info, name_of(session.caller()) + " asked over the control socket: " +
                                      peers::printable(request.method + " " + request.target, 200) +
                                      ", answered with " + std::to_string(answer.status));
  return answer;
}

void ControlServer::Reception::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.reset();
  for (const auto& session : std::exchange(sessions_, {})) session->close();
}

ControlServer::ControlServer(asio::io_context& loop, ControlSocket socket, AccessPolicy policy,
                             Controllable& daemon, Tell tell, ControlLimits limits)
    : reception_(
          std::make_shared<Reception>(loop, std::move(socket), policy, daemon, std::move(tell), limits)) {
  reception_->accept();
}

ControlServer::~ControlServer() {
  reception_->close();
}

void ControlServer::set_policy(AccessPolicy policy) {
  reception_->set_policy(policy);
}

}  // namespace peerstage::daemon
