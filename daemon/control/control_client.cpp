#include "daemon/control/control_client.h"

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/time.h>

#include "daemon/control/socket_address.h"
#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Error = boost::system::error_code;
using Request = http::request<http::string_body>;

constexpr std::uint64_t longest_answer = 64 * 1024 * 1024;

std::string place(const std::string& socket) {
  return " at the control socket " + peers::printable(socket);
}

ControlError no_answer(const std::string& socket, const std::string& why) {
  return {ControlError::Kind::no_answer, "the daemon does not answer" + place(socket) + ": " + why};
}

ControlError cannot_connect(const std::string& socket, int error) {
  using Kind = ControlError::Kind;
  if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR)
    return {Kind::not_running, "the daemon is not running: nobody listens" + place(socket)};
  if (error == EACCES || error == EPERM)
    return {Kind::no_permission, "no permission to ask the daemon" + place(socket) +
                                     ": root, its own user and the members of its control_group may"};
  if (error == EAGAIN) return no_answer(socket, "it takes no more callers");
  return no_answer(socket, std::generic_category().message(error));
}

/// connect(2) of a Unix socket waits while the queue is full, for no longer than what can be sent.
peers::Descriptor connect(const std::string& socket, std::chrono::milliseconds patience) {
  const auto address = SocketAddress::of(socket);
  if (!address) throw cannot_connect(socket, ENAMETOOLONG);
  peers::Descriptor line(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{patience.count() / 1000, static_cast<suseconds_t>(patience.count() % 1000 * 1000)};
  if (!line || ::setsockopt(line.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
      ::connect(line.get(), address->get(), address->size()) != 0)
    throw cannot_connect(socket, errno);
  return line;
}

/// One question and its answer on a loop of their own.
class Exchange {
 public:
  Exchange(peers::Descriptor line, std::optional<int> interruption, Request request)
      : line_(loop_, asio::local::stream_protocol(), line.release()),
        interruption_(loop_),
        request_(std::move(request)) {
    parser_.body_limit(longest_answer);
    if (interruption) interruption_.assign(::fcntl(*interruption, F_DUPFD_CLOEXEC, 0));
  }

  /// False: not over within that time.
  bool run_for(std::chrono::milliseconds patience) {
    http::async_write(line_, request_, [this](Error, std::size_t) { read(); });
    if (interruption_.is_open())
      interruption_.async_wait(asio::posix::descriptor_base::wait_read, [this](Error error) {
        if (error) return;
        interrupted_ = true;
        loop_.stop();
      });
    loop_.run_for(patience);
    return over_ || interrupted_;
  }
  bool interrupted() const { return interrupted_; }
  Error error() const { return error_; }
  ControlAnswer answer() { return {parser_.get().result_int(), std::move(parser_.get().body())}; }

 private:
  /// Also when not all could be written: whoever hangs up in the middle may have said why.
  void read() {
    http::async_read(line_, buffer_, parser_, [this](Error error, std::size_t) {
      error_ = error;
      over_ = true;
      loop_.stop();
    });
  }

  asio::io_context loop_{1};
  asio::local::stream_protocol::socket line_;
  asio::posix::stream_descriptor interruption_;
  Request request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  Error error_;
  bool over_ = false, interrupted_ = false;
};

ControlError broken(const std::string& socket, Error error) {
  const bool not_http = error.category() == http::make_error_code(http::error::bad_version).category() &&
                        error != http::error::end_of_stream && error != http::error::partial_message;
  if (!not_http) return no_answer(socket, "it hung up before the end");
  return {ControlError::Kind::not_understood,
          "what answers" + place(socket) + " is no daemon of ours: " + peers::printable(error.message())};
}

ControlAnswer ask(const std::string& socket, std::optional<int> interruption,
                  std::chrono::milliseconds patience, Request request) {
  request.set(http::field::host, "localhost");
  request.keep_alive(false);
  request.prepare_payload();
  Exchange exchange(connect(socket, patience), interruption, std::move(request));
  if (!exchange.run_for(patience))
    throw no_answer(socket, "nothing came for " + std::to_string(patience.count() / 1000) + " seconds");
  if (exchange.interrupted()) throw ControlInterrupted();
  if (exchange.error()) throw broken(socket, exchange.error());
  return exchange.answer();
}

}  // namespace

ControlClient::ControlClient(std::string socket, std::optional<int> interruption,
                             std::chrono::milliseconds patience)
    : socket_(std::move(socket)), interruption_(interruption), patience_(patience) {}

ControlAnswer ControlClient::get(const std::string& target) const {
  return ask(socket_, interruption_, patience_, Request(http::verb::get, target, 11));
}

ControlAnswer ControlClient::post(const std::string& target, const std::string& body) const {
  Request request(http::verb::post, target, 11);
  request.set(http::field::content_type, "application/json");
  request.body() = body;
  return ask(socket_, interruption_, patience_, std::move(request));
}

std::string error_of(const ControlAnswer& answer) {
  const auto document = nlohmann::json::parse(answer.body, nullptr, false);
  if (document.is_object() && document.contains("error") && document["error"].is_string())
    return peers::printable(document["error"].get<std::string>(), 2000);
  return "the daemon answered with " + std::to_string(answer.status);
}

}  // namespace peerstage::daemon
