#include "daemon/control/session.h"

#include <utility>

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <sys/socket.h>

namespace peerstage::daemon {
namespace {

namespace http = boost::beast::http;

using Message = http::response<http::string_body>;

Message message_of(ApiAnswer answer, unsigned version) {
  Message message;
  message.result(answer.status);
  message.version(version);
  message.set(http::field::content_type, answer.content_type);
  message.set(http::field::cache_control, "no-store");
  if (!answer.allow.empty()) message.set(http::field::allow, answer.allow);
  if (!answer.location.empty()) message.set(http::field::location, answer.location);
  if (answer.status == 503) message.set(http::field::retry_after, "1");
  message.content_length(answer.body.size());
  message.body() = std::move(answer.body);
  return message;
}

/// What is told to somebody who sent no request that can be answered.
ApiAnswer answer_to(boost::system::error_code error, const ControlLimits& limits) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return error_answer(431, "the request line and the header are longer than " +
                                 std::to_string(limits.header_bytes) + " bytes");
  if (error == http::error::body_limit)
    return error_answer(413, "the body is longer than " + std::to_string(limits.body_bytes) + " bytes");
  return error_answer(400, "that is no HTTP/1.1: " + error.message());
}

}  // namespace

void turn_away(Session::Socket& socket, ApiAnswer answer) {
  Message message = message_of(std::move(answer), 11);
  message.keep_alive(false);
  http::response_serializer<http::string_body> serializer(message);
  boost::system::error_code error;
  serializer.next(error, [&socket](boost::system::error_code&, const auto& buffers) {
    const std::string text = boost::beast::buffers_to_string(buffers);
    ::send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  });
}

Session::Session(Socket socket, std::optional<Caller> caller, Access access, const ControlLimits& limits,
                 Host& host)
    : socket_(std::move(socket)),
      caller_(std::move(caller)),
      access_(access),
      limits_(limits),
      host_(&host),
      deadline_(socket_.get_executor()),
      buffer_(2 * limits.header_bytes) {}

void Session::start() {
  read_request();
}

bool Session::only_looks() const {
  return daemon::only_looks(request_.method);
}

std::optional<std::chrono::steady_clock::time_point> Session::idle_since() const {
  if (!parser_ || parser_->got_some()) return std::nullopt;
  return silent_since_;
}

void Session::read_request() {
  silent_since_ = std::chrono::steady_clock::now();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser_->body_limit(limits_.body_bytes);
  limit_to(limits_.request_deadline);
  http::async_read_header(socket_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
    if (self->host_ != nullptr) self->on_header(error);
  });
}

void Session::on_header(Error error) {
  if (error) return on_bad_request(error);
  const auto expected = parser_->get()[http::field::expect];
  if (expected.empty() || parser_->is_done()) return read_body();
  if (!boost::beast::iequals(expected, "100-continue"))
    return refuse(error_answer(417, "only 100-continue may be expected of this server"));
  ask_for_body();
}

/// A client that waits for this before it sends the body would wait for long otherwise (RFC 9110, 10.1.1).
void Session::ask_for_body() {
  interim_.emplace(http::status::continue_, 11);
  http::async_write(socket_, *interim_, [self = shared_from_this()](Error error, std::size_t) {
    if (self->host_ == nullptr) return;
    if (error) return self->end();
    self->read_body();
  });
}

void Session::read_body() {
  http::async_read(socket_, buffer_, *parser_, [self = shared_from_this()](Error error, std::size_t) {
    if (self->host_ != nullptr) self->on_request(error);
  });
}

void Session::on_request(Error error) {
  if (error) return on_bad_request(error);
  auto request = parser_->release();
  parser_.reset();
  deadline_.cancel();
  request_ = {std::string(request.method_string()), std::string(request.target()), std::move(request.body()),
              access_};
  head_only_ = request.method() == http::verb::head;
  keep_ = request.keep_alive() && ++requests_ < limits_.requests_a_client;
  version_ = request.version();
  host_->wants_answer(*this);
}

/// The end of the stream between two requests is the usual one, and in the middle of one nobody listens any
/// more.
void Session::on_bad_request(Error error) {
  const bool is_http = error.category() == http::make_error_code(http::error::end_of_stream).category();
  if (!is_http || error == http::error::end_of_stream || error == http::error::partial_message) return end();
  refuse(answer_to(error, limits_));
}

void Session::answer() {
  if (host_ != nullptr) write_answer(host_->answer(*this, request_));
}

void Session::write_answer(ApiAnswer answer) {
  held_ = static_cast<std::ptrdiff_t>(answer.body.size());
  host_->holds(held_);
  message_.emplace(message_of(std::move(answer), version_));
  message_->keep_alive(keep_);
  if (head_only_) message_->body().clear();
  limit_to(limits_.answer_deadline);
  http::async_write(socket_, *message_, [self = shared_from_this()](Error error, std::size_t) {
    if (self->host_ != nullptr) self->on_written(error);
  });
}

void Session::on_written(Error error) {
  message_.reset();
  host_->holds(-std::exchange(held_, 0));
  if (error || !keep_) return end();
  read_request();
}

void Session::limit_to(std::chrono::milliseconds time) {
  deadline_.expires_after(time);
  deadline_.async_wait([weak = weak_from_this()](Error error) {
    const auto self = weak.lock();
    if (!error && self && self->host_ != nullptr) self->on_deadline();
  });
}

void Session::on_deadline() {
  if (deadline_.expiry() > std::chrono::steady_clock::now()) return;  // moved on while this was on its way
  const bool in_a_request = parser_ && parser_->got_some();
  if (!in_a_request) return end();
  refuse(error_answer(408, "the request did not come to its end in time"));
}

void Session::refuse(const ApiAnswer& answer) {
  turn_away(socket_, answer);
  end();
}

void Session::end() {
  Host& host = *host_;
  const auto self = shared_from_this();
  close();
  host.ended(*this);
}

void Session::close() {
  if (host_ == nullptr) return;
  if (held_ != 0) host_->holds(-std::exchange(held_, 0));
  host_ = nullptr;
  deadline_.cancel();
  Error ignored;
  socket_.close(ignored);
}

}  // namespace peerstage::daemon
