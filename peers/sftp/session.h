#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "peers/clock.h"
#include "peers/sftp/handle_forecast.h"
#include "peers/sftp/pace.h"
#include "peers/sftp/packet.h"
#include "peers/sftp/packet_stream.h"
#include "peers/sftp/pending_requests.h"
#include "peers/sftp/transport.h"

namespace peerstage::peers::sftp {

/// The answer to one request. The packet is valid until the next call of `wait`.
struct Answer {
  PacketType request{};
  std::uint32_t tag = 0;
  Packet packet;

  bool is_status() const { return packet.type == PacketType::status; }
};

/// An SFTP session as questions and answers. Questions are collected and leave together, shortly before
/// somebody waits; answers may come in any order, and each belongs to exactly one question. It also measures
/// the line as it goes.
///
/// Every function may throw what the transport throws, and protocol_error.
class Session {
 public:
  /// Exchanges INIT and VERSION, and asks for the server's limits if it has any to tell; these hold from when
  /// the answer comes, which is with that to the first question.
  Session(Transport& transport, std::string machine, const Clock& clock);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& machine() const { return machine_; }
  bool can_fsync() const { return version_.fsync; }
  const Pace& pace() const { return gauge_.pace(); }
  /// The longest READ that this server answers in full.
  std::uint32_t read_size() const { return read_size_; }
  /// How many files this server lets us have open.
  std::size_t open_files_limit() const { return open_files_limit_; }

  /// The tag comes back with the answer.
  void lstat(std::string_view path, std::uint32_t tag = 0);
  void opendir(std::string_view path, std::uint32_t tag);
  void readdir(std::string_view handle, std::uint32_t tag);
  /// Returns the handle that the file will have, where that can be foretold: see HandleForecast. It may be
  /// read with it at once, and is not to be closed with it before the answer has come.
  std::optional<std::string> open(std::string_view path, OpenFlags flags, std::uint32_t tag = 0);
  void read(std::string_view handle, std::uint64_t offset, std::uint32_t length, std::uint32_t tag);
  void fsync(std::string_view handle);
  void close(std::string_view handle);
  /// Closes what was only read: how that goes changes nothing, and nobody waits for it.
  void release(std::string_view handle);
  void remove(std::string_view path);

  /// Requests whose answer `wait` has not brought yet.
  std::size_t unanswered() const { return pending_.awaited(); }
  /// Whether more should be asked: false while an unreasonable number of answers is due.
  bool may_ask() const { return pending_.size() < PendingRequests::capacity / 2; }

  /// Whether there is one, so that `wait` need not wait. It may be one that nobody waits for.
  bool has_answer() const { return incoming_.has_packet(); }
  /// The next answer, to whichever question.
  Answer wait();
  /// Waits until more may be asked. For when nothing is unanswered, so that `wait` would wait for ever.
  void wait_for_room();

 private:
  friend class Exchange;

  enum class Awaited { yes, no };
  std::uint32_t new_request(PacketType type, std::uint32_t tag, Awaited awaited = Awaited::yes);
  std::uint32_t new_opening(PacketType type, std::uint32_t tag, HandleForecast::Slot slot);
  std::uint32_t add(PendingRequest request);
  void check_forecast(const PendingRequest& request, const Packet& packet);
  std::optional<Answer> next_answer();
  void take_unawaited(const Answer& answer);
  void flush();
  void flush_if_large();
  void flush_if_worth_it();
  void learn_limits(const Answer& answer);

  Transport& transport_;
  std::string machine_;
  const Clock& clock_;
  PacketStream incoming_;
  Bytes outgoing_;
  std::size_t collected_ = 0;  ///< requests in `outgoing_`
  PendingRequests pending_;
  HandleForecast forecast_;
  Version version_;
  std::uint32_t read_size_;
  std::size_t open_files_limit_;
  std::chrono::steady_clock::time_point
      now_;  ///< when the newest bytes came; the clock is not read for every packet
  LineGauge gauge_;
  bool in_exchange_ = false;
};

/// One operation on a session, from its first question to its last answer. Left before `finish`, by an
/// exception, it leaves the session in a state that nobody knows, and the session takes no further operation.
class Exchange {
 public:
  explicit Exchange(Session& session);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  /// Sends what nobody waits for, too.
  void finish() {
    session_.flush();
    session_.in_exchange_ = false;
  }

 private:
  Session& session_;
};

}  // namespace peerstage::peers::sftp
