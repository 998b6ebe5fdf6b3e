#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "daemon/control/access.h"
#include "daemon/control/limits.h"
#include "daemon/control/routes.h"

namespace peerstage::daemon {

/// One client of the control socket: reads a request, has it answered, writes the answer, and so on until the
/// client hangs up, is too slow, or sends what is no HTTP. Whatever it does costs a bounded amount of memory,
/// and ends.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  /// What the session needs of the server. It outlives the session's last call to it: see `close`.
  class Host {
   public:
    virtual ~Host() = default;
    /// Has `answer` called of the session when its turn has come.
    virtual void wants_answer(Session& session) = 0;
    virtual ApiAnswer answer(const Session& session, const ApiRequest& request) = 0;
    /// The session holds so many bytes more, or less, of an answer.
    virtual void holds(std::ptrdiff_t bytes) = 0;
    virtual void ended(Session& session) = 0;
  };

  Session(Socket socket, std::optional<Caller> caller, Access access, const ControlLimits& limits,
          Host& host);

  void start();
  /// The turn has come.
  void answer();
  /// Hangs up. The host is not called any more, also not about the end.
  void close();

  const std::optional<Caller>& caller() const { return caller_; }
  Access access() const { return access_; }
  /// Of the request that waits for its answer.
  bool only_looks() const;
  /// Since when it has been silent between two requests; absent while there is one.
  std::optional<std::chrono::steady_clock::time_point> idle_since() const;

 private:
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Message = boost::beast::http::response<boost::beast::http::string_body>;
  using Interim = boost::beast::http::response<boost::beast::http::empty_body>;

  void read_request();
  void on_header(Error error);
  void ask_for_body();
  void read_body();
  void on_request(Error error);
  void on_bad_request(Error error);
  void write_answer(ApiAnswer answer);
  void on_written(Error error);
  void limit_to(std::chrono::milliseconds time);
  void on_deadline();
  void refuse(const ApiAnswer& answer);
  void end();

  Socket socket_;
  const std::optional<Caller> caller_;
  const Access access_;
  const ControlLimits& limits_;
  Host* host_;  ///< none: closed
  boost::asio::steady_timer deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;  ///< while a request is read
  ApiRequest request_;
  bool head_only_ = false, keep_ = false;
  unsigned version_ = 11;
  std::optional<Message> message_;  ///< while it is written
  std::optional<Interim> interim_;
  std::ptrdiff_t held_ = 0;
  std::size_t requests_ = 0;
  std::chrono::steady_clock::time_point silent_since_;
};

/// Tells a client why he is not served, if that can be done without waiting.
void turn_away(Session::Socket& socket, ApiAnswer answer);

}  // namespace peerstage::daemon
