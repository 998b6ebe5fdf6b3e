#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "peers/failure.h"
#include "peers/sftp/client.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/fake_sftp_server.h"

// A whole session with an SFTP server. The first byte says whether the rest are the bytes that the server
// sends, or decisions of a server that is honest as long as they are 0.

namespace peerstage::fuzz {
namespace {

using namespace peers;
using peers::sftp::Client;
using test::CollectingReceiver;
using test::FakeSftpServer;

constexpr ListLimits few_entries{.entries = 500, .name_bytes = 20'000};

/// So many different bytes that data in the wrong place shows.
const std::string& content() {
  static const std::string bytes = [] {
    std::string text(std::size_t{500'000}, '\0');
    std::uint32_t number = 1;
    for (char& c : text) c = static_cast<char>((number = number * 1'664'525 + 1'013'904'223) >> 24U);
    return text;
  }();
  return bytes;
}

/// Thrown by the receiver of files, to be seen by who asked for them.
struct DiskFull : std::runtime_error {
  DiskFull() : std::runtime_error("no space left") {}
};

/// What may come of one operation.
enum class Outcome { done, failed, given_up };

template <typename Operation>
Outcome attempt(Operation operation) {
  try {
    operation();
    return Outcome::done;
  } catch (const PeerError& error) {
    expect(is_safe_line(error.what()), "the sentence about a failure can be printed");
    return Outcome::failed;
  } catch (const DiskFull&) {
    return Outcome::given_up;
  }
}

// --- a server that says anything

class StreamOfBytes final : public sftp::Transport, public Clock {
 public:
  StreamOfBytes(std::string_view bytes, std::size_t piece) : bytes_(bytes), piece_(piece) {}

  void send(std::span<const std::byte>) override {}
  std::size_t receive(std::span<std::byte> buffer) override {
    const std::size_t count = std::min({bytes_.size(), buffer.size(), piece_});
    std::memcpy(buffer.data(), bytes_.data(), count);
    bytes_.remove_prefix(count);
    return count;
  }
  void answered() override {}
  std::chrono::steady_clock::time_point steady() const override { return {}; }

 private:
  std::string_view bytes_;
  std::size_t piece_;
};

void check_listing(const std::vector<ListedEntry>& entries) {
  expect(entries.size() <= few_entries.entries, "a listing is not longer than is believed");
  for (const ListedEntry& entry : entries)
    expect(entry.name != "." && entry.name != "..", "the directory itself is no entry");
}

void run_bytes(Choices choices) {
  const std::size_t operation = choices.below(4);
  const std::size_t piece = choices.byte() + std::size_t{1};
  StreamOfBytes line(choices.rest(), piece);
  CollectingReceiver receiver;
  for (const unsigned size : {0U, 1U, 3000U, 9000U}) receiver.want("/collect/" + std::to_string(size), size);
  attempt([&] {
    Client client(line, "web1", line);
    switch (operation) {
      case 0:
        return check_listing(client.list("/collect", few_entries));
      case 1:
        return client.fetch(receiver);
      case 2:
        return client.write_marker("/collect/cback.stage");
      default:
        client.lstat("/collect/cback.collect");
    }
  });
}

// --- a server that is mostly honest

class Session {
 public:
  explicit Session(Choices choices) : choices_(choices) {
    make_tree();
    make_server();
    make_line();
  }

  void run() {
    std::optional<Client> client;
    const Outcome begun = attempt([&] { client.emplace(server_, "web1", server_); });
    if (is_honest_) expect(begun == Outcome::done, "an honest server is understood");
    for (std::size_t left = 1 + choices_.below(4); client && left > 0; --left) operate(*client);
    expect(server_.bad_handles == 0 || server_.counts_handles || !is_honest_,
           "a handle is used while it is open");
    expect(server_.answers < 50'000, "a session ends");
  }

 private:
  void make_tree() {
    constexpr std::array<std::size_t, 10> sizes{1,    0,      100,    4095,    4096,
                                                4097, 20'000, 70'000, 150'000, 400'000};
    server_.add_directory("/collect");
    for (std::size_t file = 0, files = choices_.below(8); file < files; ++file) {
      const std::size_t size = sizes.at(choices_.below(sizes.size()));
      auto& node = server_.add_file("/collect/" + std::to_string(file), content().substr(file * 1000, size));
      vary(node);
    }
  }

  void vary(FakeSftpServer::Node& node) {
    switch (choices_.below(12)) {
      case 1:
        node.attributes_listed = false;
        return;
      case 2:
        node.attributes_listed = node.attributes_known = false;
        return;
      case 3:
        node.open_status = static_cast<std::uint32_t>(choices_.below(10));
        return;
      case 4:
        node.read_status = static_cast<std::uint32_t>(choices_.below(10));
        node.read_status_from = choices_.number(3);
        return;
      case 5:
        node.listed_size = choices_.number(choices_.below(9));
        return;
      case 6:
        node.mode = static_cast<std::uint32_t>(choices_.number(2));
        return;
      default:
        return;
    }
  }

  void make_server() {
    const std::uint8_t traits = choices_.byte();
    if ((traits & 1U) != 0) server_.extensions.emplace_back("limits@openssh.com", "1");
    if ((traits & 2U) != 0) server_.extensions.emplace_back("fsync@openssh.com", "1");
    server_.counts_handles = (traits & 3U) == 3U;
    if ((traits & 4U) != 0) server_.told_read_length = choices_.number(4);
    if ((traits & 8U) != 0) server_.told_open_handles = choices_.number(2);
    if ((traits & 16U) != 0) server_.most_handles = 1 + choices_.below(6);
    if ((traits & 32U) != 0) server_.names_per_packet = 1 + choices_.below(4);
    if ((traits & 64U) != 0) server_.longest_read = 512 + choices_.number(2);
    if ((traits & 128U) != 0) be_dishonest();
    server_.tamper = [this](FakeSftpServer::Reply& reply) { tamper(reply); };
  }

  void be_dishonest() {
    is_honest_ = false;
    const std::uint8_t traits = choices_.byte();
    server_.endless_listing = (traits & 1U) != 0;
    if ((traits & 2U) != 0) server_.version = choices_.byte();
    if ((traits & 4U) != 0) server_.noise = choices_.text();
    is_true_ = server_.noise.empty();
    if ((traits & 8U) != 0) server_.close_status = choices_.byte();
    if ((traits & 16U) != 0) server_.fsync_status = choices_.byte();
  }

  void make_line() {
    constexpr std::array<int, 4> round_trips{0, 1, 40, 900};  // milliseconds
    server_.round_trip = std::chrono::milliseconds(round_trips.at(choices_.below(round_trips.size())));
    if (choices_.flag())
      server_.choose = [this](std::size_t bound) { return bound - 1 - choices_.below(bound); };
  }

  /// What the server does wrong with one answer. Nearly always nothing.
  void tamper(FakeSftpServer::Reply& reply) {
    if (choices_.byte() < 245) return;
    is_honest_ = false;
    switch (choices_.below(16)) {
      case 1:
        return invent_id(reply);
      case 2:
        reply.copies = choices_.below(4);
        return;
      case 3:
        reply.last = true;
        return;
      case 4:
        reply.cut = true;
        is_true_ = false;  // what follows may be taken for its rest
        return;
      case 5:
        reply.announced_length = static_cast<std::uint32_t>(choices_.number(4));
        is_true_ = false;
        return;
      case 6:
        reply.type = choices_.byte();
        is_true_ = false;
        return;
      case 7:
        reply.type = 101;
        reply.body = test::wire(choices_.byte()) + test::wire_string(choices_.text()) + test::wire_string("");
        return;
      case 8:
        reply.body.resize(choices_.below(reply.body.size() + 1));
        return;
      case 9:
        reply.body += choices_.text();
        return;
      case 10:
        return change_byte(reply);
      case 11:
        reply.type = 103;
        reply.body = test::wire_string(choices_.text());
        is_true_ = false;
        return;
      case 12:
        reply.type = 102;
        reply.body = test::wire_string(choices_.text());
        return;
      case 13:
        reply.type = 104;
        reply.body = names();
        return;
      case 14:
        reply.type = 105;
        reply.body = choices_.text();
        return;
      default:
        return;
    }
  }

  void invent_id(FakeSftpServer::Reply& reply) {
    reply.id ^= static_cast<std::uint32_t>(choices_.number(choices_.flag() ? 4 : 1));
    is_true_ = false;
  }

  void change_byte(FakeSftpServer::Reply& reply) {
    if (reply.body.empty()) return;
    reply.body[choices_.below(reply.body.size())] ^= static_cast<char>(choices_.byte());
    is_true_ = false;
  }

  std::string names() {
    std::string body = test::wire(static_cast<std::uint32_t>(choices_.number(choices_.flag() ? 4 : 1)));
    for (std::size_t count = choices_.below(5); count > 0; --count)
      body += test::wire_string(choices_.text()) + test::wire_string("") + choices_.text();
    return body;
  }

  void operate(Client& client) {
    switch (choices_.below(5)) {
      case 0:
      case 1:
        return fetch(client);
      case 2:
        return list(client);
      case 3:
        attempt([&] { client.lstat("/collect/" + std::to_string(choices_.below(10))); });
        return;
      default:
        return mark(client);
    }
  }

  void fetch(Client& client) {
    CollectingReceiver receiver;
    for (const auto& [path, node] : server_.tree) want(receiver, path, node);
    if (choices_.below(20) == 19) receiver.at_first_data = [] { throw DiskFull(); };
    const Outcome outcome = attempt([&] { client.fetch(receiver); });
    for (const auto& file : receiver.files) check_file(file, outcome);
    if (is_honest_ && !was_given_up_) expect(outcome != Outcome::failed, "files come from an honest server");
    if (outcome == Outcome::given_up) was_given_up_ = true;
  }

  void want(CollectingReceiver& receiver, const std::string& path, const FakeSftpServer::Node& node) {
    std::uint64_t size = node.content.size(), offset = 0;
    switch (choices_.below(8)) {
      case 5:
        size += 1 + choices_.below(10'000);
        break;
      case 6:
        size -= std::min<std::uint64_t>(size, choices_.below(10'000));
        break;
      case 7:
        offset = choices_.below(size + 1);
        break;
      default:
        break;
    }
    receiver.want(path, size, offset);
  }

  /// What a file may be after a fetch; the receiver itself has seen to it that no byte came twice or too
  /// many.
  void check_file(const CollectingReceiver::File& file, Outcome outcome) const {
    const bool is_over = file.complete || file.failure;
    if (outcome == Outcome::done) expect(is_over, "a fetch that ends well has dealt with every file");
    if (file.failure) expect(is_safe_line(file.failure->message), "the sentence about a file can be printed");
    const auto node = server_.tree.find(file.request.path);
    if (!is_true_ || node == server_.tree.end()) return;
    const std::string_view whole = node->second.content;
    expect(whole.substr(std::min<std::size_t>(file.request.offset, whole.size()), file.content.size()) ==
               file.content,
           "what came of a file is what it holds, in order");
    if (!is_honest_ || outcome != Outcome::done || node->second.open_status != 0 ||
        node->second.read_status != 0)
      return;
    expect(file.complete == (file.request.size <= whole.size()), "a file that is there is fetched whole");
  }

  void list(Client& client) {
    std::vector<ListedEntry> entries;
    const Outcome outcome = attempt([&] { entries = client.list("/collect", few_entries); });
    check_listing(entries);
    if (!is_honest_ || was_given_up_) return;
    expect(outcome == Outcome::done && entries.size() + 1 == server_.tree.size(),
           "an honest listing is whole");
  }

  void mark(Client& client) {
    const std::string path = choices_.flag() ? "/collect/0" : "/collect/cback.stage";
    const Outcome outcome = attempt([&] { client.write_marker(path); });
    if (!is_honest_ || outcome != Outcome::done) return;
    const auto node = server_.tree.find(path);
    expect(node != server_.tree.end() && node->second.content.empty(), "a marker that was written is there");
  }

  Choices choices_;
  FakeSftpServer server_;
  bool is_honest_ = true;  ///< it keeps to the protocol
  bool is_true_ = true;    ///< where it sends data, it is that of the file
  bool was_given_up_ = false;
};

void run(std::string_view input) {
  Choices choices(input);
  if (choices.flag()) return run_bytes(choices);
  Session(choices).run();
}

const Target target("sftp_client", run);

}  // namespace
}  // namespace peerstage::fuzz
