#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "peers/clock.h"
#include "peers/sftp/transport.h"

namespace peerstage::test {

/// "uint32" and "string" as SFTP writes them. Not the codec under test.
std::string wire(std::uint32_t value);
std::string wire64(std::uint64_t value);
std::string wire_string(std::string_view text);

/// A small SFTP server (version 3) over a tree in memory, at the other end of a line in virtual time. It
/// works; what it is to do wrong is set before. Used by one thread: requests are carried out when they are
/// sent, the answers wait to be received.
class FakeSftpServer final : public peers::sftp::Transport, public peers::Clock {
 public:
  struct Node {
    std::uint32_t mode = S_IFREG | 0644;
    std::string content{};
    std::uint32_t modified = 0;
    std::uint32_t open_status = 0;  ///< what OPEN and OPENDIR answer, if not 0
    std::uint32_t read_status = 0;  ///< what READ answers from `read_status_from` on, if not 0
    std::uint64_t read_status_from = 0;
    std::optional<std::uint64_t> listed_size{};  ///< instead of the size of the content
    bool attributes_listed = true;               ///< else READDIR tells a name only
    bool attributes_known = true;                ///< else LSTAT tells nothing as well
  };

  /// An answer on its way out, for `tamper` to change.
  struct Reply {
    std::uint8_t request = 0;  ///< the type of the request
    std::size_t nth = 0;       ///< among the requests of this type, from 0
    std::string path;          ///< that it was about
    std::uint32_t id = 0;
    std::uint8_t type = 0;
    std::string body;  ///< behind the id
    std::optional<std::uint32_t> announced_length;
    std::size_t copies = 1;
    bool last = false;  ///< the stream ends behind it
    bool cut = false;   ///< the stream ends in the middle of it
  };

  // The tree, by absolute path.
  std::map<std::string, Node> tree;
  Node& add_file(const std::string& path, std::string content);
  Node& add_directory(const std::string& path);
  Node& add_symlink(const std::string& path);

  // How it behaves.
  std::uint32_t version = 3;
  std::vector<std::pair<std::string, std::string>> extensions;
  std::uint64_t told_read_length = 261'120, told_open_handles = 1019;
  std::size_t longest_read = std::numeric_limits<std::size_t>::max();  ///< longer READs are answered in part
  std::size_t most_handles = 1019;                                     ///< beyond: FAILURE, like OpenSSH
  std::size_t names_per_packet = 100;
  bool endless_listing = false;
  bool counts_handles = false;  ///< they are numbers of slots, the one freed last first, like OpenSSH's
  bool is_openssh_by_name = true;
  std::set<std::size_t> passed_over{};  ///< which of these slots it does not use, by number of handles given
  std::uint32_t fsync_status = 0, close_status = 0;
  std::function<void(Reply&)> tamper;
  std::string noise;  ///< sent before anything else

  // How the line behaves.
  std::size_t longest_receive = std::numeric_limits<std::size_t>::max();
  std::optional<std::uint32_t> shuffle_seed;             ///< answers in random order, reads of random length
  std::function<std::size_t(std::size_t bound)> choose;  ///< the same by choice: any number below the bound
  std::chrono::nanoseconds round_trip{0};
  std::chrono::nanoseconds per_request{0};  ///< the server's own time
  std::uint64_t bytes_per_second = 0;       ///< 0: no limit

  // What was seen.
  std::size_t sends = 0, answers = 0, most_open = 0, largest_receive = 0;
  std::size_t bad_handles = 0;     ///< requests with a handle that was not open
  std::vector<std::string> calls;  ///< "REMOVE /x", in order
  std::size_t open_handles() const { return handles_.size(); }
  std::size_t count(std::string_view call) const;

  void send(std::span<const std::byte> bytes) override;
  std::size_t receive(std::span<std::byte> buffer) override;
  void answered() override { ++answers; }
  bool is_openssh() const override { return is_openssh_by_name; }

  std::chrono::steady_clock::time_point steady() const override { return now_; }

 private:
  struct Handle {
    std::string path;
    std::vector<std::string> names;  ///< of a directory
    std::size_t next_name = 0;
  };
  struct Delivery {
    std::chrono::steady_clock::time_point when;
    std::string bytes;
    bool end = false;
  };

  void handle(std::string_view packet);
  void handle_init();
  Reply reply_to(std::uint8_t request, std::string_view body);
  void open(Reply& reply, const std::string& path, std::uint32_t flags);
  void opendir(Reply& reply, const std::string& path);
  void readdir(Reply& reply, Handle& handle);
  void read(Reply& reply, const Handle& handle, std::uint64_t offset, std::uint32_t length);
  void lstat(Reply& reply, const std::string& path);
  void extended(Reply& reply, const std::string& name);
  void give_handle(Reply& reply, Handle handle);
  std::string new_handle();
  void deliver(const Reply& reply);
  void deliver_bytes(std::string bytes, bool end);
  bool shuffles() const { return shuffle_seed || choose; }
  std::size_t random_below(std::size_t bound);

  std::string incoming_;
  std::deque<Delivery> line_;
  std::string arrived_;
  bool ended_ = false;
  std::map<std::string, Handle> handles_;
  std::size_t handles_given_ = 0, slots_ = 0;
  std::vector<std::string> freed_;
  std::map<std::uint8_t, std::size_t> requests_;
  std::mt19937 random_;
  std::chrono::steady_clock::time_point now_, server_free_, line_free_;
};

}  // namespace peerstage::test
