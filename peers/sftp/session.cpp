#include "peers/sftp/session.h"

#include <algorithm>
#include <utility>

namespace peerstage::peers::sftp {
namespace {

constexpr std::uint32_t spoken_version = 3;

/// What every server reads at once (section 3 of the draft), for those that do not tell their limit.
constexpr std::uint32_t default_read_size = 32U << 10U;
constexpr std::uint32_t least_read_size = 4U << 10U;
/// The longest that fits any server's packets: fewer answers, each at less cost.
constexpr std::uint32_t most_read_size = 256'000;

/// OpenSSH's default limit of descriptors is 1024; more than the pace ever asks for.
constexpr std::size_t default_open_files = 1000;
/// Left to the server for its own use.
constexpr std::size_t spare_open_files = 8;

/// Questions that are collected before they leave although nobody waits yet.
constexpr std::size_t batch_size = 32U << 10U;
/// How many batches the questions on their way make up, as far as that is up to us.
constexpr std::size_t batches_in_flight = 8;

}  // namespace

Session::Session(Transport& transport, std::string machine, const Clock& clock)
    : transport_(transport),
      machine_(std::move(machine)),
      clock_(clock),
      incoming_(transport, machine_),
      read_size_(default_read_size),
      open_files_limit_(default_open_files) {
  outgoing_.reserve(2 * batch_size);
  const auto sent = clock_.steady();
  encode_init(outgoing_);
  flush();
  version_ = decode_version(incoming_.next());
  now_ = clock_.steady();
  transport_.answered();
  if (version_.number != spoken_version)
    throw PeerError(FailureKind::permanent, "the SFTP server of " + machine_ + " speaks version " +
                                                std::to_string(version_.number) +
                                                " of the protocol, and only version 3 is understood here");
  // The first answer also waited for the server to start: every later one measures the line better.
  gauge_.answered_after(now_ - sent);
  if (version_.limits) encode_limits(outgoing_, new_request(PacketType::extended, 0, Awaited::no));
}

void Session::learn_limits(const Answer& answer) {
  if (answer.is_status()) return;  // offered, but refused: then the defaults hold
  const ServerLimits limits = decode_limits(answer.packet);
  if (limits.read_length != 0)
    read_size_ = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(limits.read_length, least_read_size, most_read_size));
  if (limits.open_handles != 0)
    open_files_limit_ =
        limits.open_handles > 2 * spare_open_files
            ? std::min<std::uint64_t>(limits.open_handles, default_open_files) - spare_open_files
            : std::max<std::uint64_t>(limits.open_handles / 2, 1);
}

void Session::lstat(std::string_view path, std::uint32_t tag) {
  encode_path_request(outgoing_, PacketType::lstat, new_request(PacketType::lstat, tag), path);
  flush_if_large();
}

void Session::opendir(std::string_view path, std::uint32_t tag) {
  const std::uint32_t id = new_opening(PacketType::opendir, tag, forecast_.opening());
  encode_path_request(outgoing_, PacketType::opendir, id, path);
}

void Session::readdir(std::string_view handle, std::uint32_t tag) {
  encode_handle_request(outgoing_, PacketType::readdir, new_request(PacketType::readdir, tag), handle);
}

std::optional<std::string> Session::open(std::string_view path, OpenFlags flags, std::uint32_t tag) {
  const HandleForecast::Slot slot = forecast_.opening();
  encode_open(outgoing_, new_opening(PacketType::open, tag, slot), path, flags);
  flush_if_large();
  // Others may number their handles in the same way, and work on several requests at a time.
  if (!transport_.is_openssh() || !forecast_.is_reliable()) return std::nullopt;
  return HandleForecast::handle_of(slot);
}

void Session::read(std::string_view handle, std::uint64_t offset, std::uint32_t length, std::uint32_t tag) {
  encode_read(outgoing_, new_request(PacketType::read, tag), handle, offset, length);
  flush_if_large();
}

void Session::fsync(std::string_view handle) {
  encode_fsync(outgoing_, new_request(PacketType::extended, 0), handle);
}

void Session::close(std::string_view handle) {
  forecast_.closing(handle);
  encode_handle_request(outgoing_, PacketType::close, new_request(PacketType::close, 0), handle);
  flush_if_large();
}

void Session::release(std::string_view handle) {
  forecast_.closing(handle);
  const std::uint32_t id = new_request(PacketType::close, 0, Awaited::no);
  encode_handle_request(outgoing_, PacketType::close, id, handle);
  flush_if_large();
}

void Session::remove(std::string_view path) {
  encode_path_request(outgoing_, PacketType::remove, new_request(PacketType::remove, 0), path);
}

Answer Session::wait() {
  std::optional<Answer> answer;
  while (!answer) answer = next_answer();
  return *answer;
}

void Session::wait_for_room() {
  while (!may_ask()) next_answer();
}

/// Absent: it was one that nobody waits for.
std::optional<Answer> Session::next_answer() {
  if (!incoming_.has_packet()) flush_if_worth_it();
  const bool waits = !incoming_.has_packet();
  Packet packet = incoming_.next();
  if (waits) {
    now_ = clock_.steady();
    gauge_.received(incoming_.received(), now_);
  }
  const std::uint32_t id = take_id(packet);
  const auto request = pending_.settle(id);
  if (!request)
    throw protocol_error(machine_, "it sent a " + to_string(packet.type) + " packet with the id " +
                                       std::to_string(id) + ", to which no answer is due");
  // DATA without data is not an answer: a server could hold us with it for ever.
  if (packet.type != PacketType::data || packet.body.size() > sizeof(std::uint32_t)) transport_.answered();
  gauge_.answered_after(now_ - request->sent);
  check_forecast(*request, packet);
  incoming_.set_receive_size(pace().receive_size);
  const Answer answer{request->type, request->tag, packet};
  if (request->awaited) return answer;
  take_unawaited(answer);
  return std::nullopt;
}

void Session::take_unawaited(const Answer& answer) {
  if (answer.request == PacketType::close)
    decode_status(answer.packet);
  else
    learn_limits(answer);
}

void Session::check_forecast(const PendingRequest& request, const Packet& packet) {
  if (request.type != PacketType::open && request.type != PacketType::opendir) return;
  if (packet.type == PacketType::status)
    forecast_.refused();
  else
    forecast_.opened(request.slot, decode_handle(packet));
}

std::uint32_t Session::new_request(PacketType type, std::uint32_t tag, Awaited awaited) {
  return add({type, tag, now_, awaited == Awaited::yes});
}

std::uint32_t Session::new_opening(PacketType type, std::uint32_t tag, HandleForecast::Slot slot) {
  return add({type, tag, now_, true, slot});
}

std::uint32_t Session::add(PendingRequest request) {
  if (unanswered() == 0) {
    request.sent = now_ = clock_.steady();
    gauge_.rest();
  }
  ++collected_;
  return pending_.add(request);
}

void Session::flush_if_large() {
  if (outgoing_.size() >= batch_size) flush();
}

void Session::flush() {
  if (outgoing_.empty()) return;
  transport_.send(outgoing_);
  outgoing_.clear();
  collected_ = 0;
}

/// While the server has many times more to answer than was collected, the collection may grow: a packet of
/// SSH for each small question would cost both sides more than the answer.
void Session::flush_if_worth_it() {
  if (collected_ * batches_in_flight >= unanswered()) flush();
}

Exchange::Exchange(Session& session) : session_(session) {
  if (session.in_exchange_)
    throw PeerError(FailureKind::transient,
                    "the SFTP session with " + session.machine() + " was given up after an earlier error");
  session.in_exchange_ = true;
}

}  // namespace peerstage::peers::sftp
