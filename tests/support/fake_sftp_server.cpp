#include "tests/support/fake_sftp_server.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "peers/failure.h"

namespace peerstage::test {
namespace {

using namespace std::chrono_literals;

enum : std::uint8_t {
  type_init = 1,
  type_version = 2,
  type_open = 3,
  type_close = 4,
  type_read = 5,
  type_lstat = 7,
  type_opendir = 11,
  type_readdir = 12,
  type_remove = 13,
  type_status = 101,
  type_handle = 102,
  type_data = 103,
  type_name = 104,
  type_attrs = 105,
  type_extended = 200,
  type_extended_reply = 201
};
enum : std::uint32_t { status_ok, status_eof, status_no_such_file, status_denied, status_failure };

/// Takes a request of our own client apart; one that is malformed ends the test.
class Request {
 public:
  explicit Request(std::string_view body) : rest_(body) {}
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const char c : take(size)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::string string() { return std::string(take(u32())); }

 private:
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) throw std::logic_error("the client sent a request that ends too early");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

std::string attributes(const FakeSftpServer::Node& node) {
  return wire(0x1 | 0x2 | 0x4 | 0x8) + wire64(node.listed_size.value_or(node.content.size())) + wire(1000) +
         wire(1000) + wire(node.mode) + wire(node.modified) + wire(node.modified);
}

void set_status(FakeSftpServer::Reply& reply, std::uint32_t code) {
  static constexpr const char* texts[] = {"Success", "End of file", "No such file", "Permission denied",
                                          "Failure"};
  reply.type = type_status;
  reply.body = wire(code) + wire_string(code < std::size(texts) ? texts[code] : "Other") + wire_string("");
}

const char* name_of(std::uint8_t request) {
  switch (request) {
    case type_open:
      return "OPEN";
    case type_close:
      return "CLOSE";
    case type_read:
      return "READ";
    case type_lstat:
      return "LSTAT";
    case type_opendir:
      return "OPENDIR";
    case type_readdir:
      return "READDIR";
    case type_remove:
      return "REMOVE";
    case type_extended:
      return "EXTENDED";
    default:
      return "other";
  }
}

}  // namespace

std::string wire(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xffU));
  return bytes;
}

std::string wire64(std::uint64_t value) {
  return wire(static_cast<std::uint32_t>(value >> 32U)) + wire(static_cast<std::uint32_t>(value));
}

std::string wire_string(std::string_view text) {
  return wire(static_cast<std::uint32_t>(text.size())) + std::string(text);
}

FakeSftpServer::Node& FakeSftpServer::add_file(const std::string& path, std::string content) {
  return tree[path] = Node{.content = std::move(content)};
}

FakeSftpServer::Node& FakeSftpServer::add_directory(const std::string& path) {
  return tree[path] = Node{.mode = S_IFDIR | 0755};
}

FakeSftpServer::Node& FakeSftpServer::add_symlink(const std::string& path) {
  return tree[path] = Node{.mode = S_IFLNK | 0777};
}

std::size_t FakeSftpServer::count(std::string_view call) const {
  return static_cast<std::size_t>(std::count_if(
      calls.begin(), calls.end(), [&](const std::string& one) { return one.starts_with(call); }));
}

void FakeSftpServer::send(std::span<const std::byte> bytes) {
  ++sends;
  incoming_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (incoming_.size() >= 4) {
    const std::size_t length = Request(incoming_).u32();
    if (incoming_.size() < 4 + length) return;
    const std::string packet = incoming_.substr(4, length);
    incoming_.erase(0, 4 + length);
    handle(packet);
  }
}

std::size_t FakeSftpServer::receive(std::span<std::byte> buffer) {
  largest_receive = std::max(largest_receive, buffer.size());
  if (arrived_.empty() && !ended_) {
    if (line_.empty())
      throw peers::PeerError(peers::FailureKind::transient, "idle timeout: nothing is on its way");
    now_ = std::max(now_, line_.front().when);
    while (!line_.empty() && line_.front().when <= now_ && !ended_) {
      arrived_ += line_.front().bytes;
      ended_ = line_.front().end;
      line_.pop_front();
    }
  }
  std::size_t count = std::min({arrived_.size(), buffer.size(), longest_receive});
  if (shuffles() && count > 1) count = 1 + random_below(count);
  std::memcpy(buffer.data(), arrived_.data(), count);
  arrived_.erase(0, count);
  return count;
}

void FakeSftpServer::handle(std::string_view packet) {
  const auto type = static_cast<std::uint8_t>(packet.at(0));
  if (type == type_init) return handle_init();
  Request request(packet.substr(1));
  const std::uint32_t id = request.u32();
  Reply reply = reply_to(type, packet.substr(5));
  reply.request = type;
  reply.nth = requests_[type]++;
  reply.id = id;
  calls.push_back(std::string(name_of(type)) + " " + reply.path);
  if (tamper) tamper(reply);
  deliver(reply);
}

void FakeSftpServer::handle_init() {
  line_.clear();  // a new client: what an earlier one did not wait for is not for this one
  arrived_.clear();
  if (shuffle_seed) random_.seed(*shuffle_seed);
  std::string packet = std::string(1, static_cast<char>(type_version)) + wire(version);
  for (const auto& [name, value] : extensions) packet += wire_string(name) + wire_string(value);
  deliver_bytes(noise + wire_string(packet), false);
}

FakeSftpServer::Reply FakeSftpServer::reply_to(std::uint8_t request, std::string_view body) {
  Reply reply;
  Request arguments(body);
  const std::string name = arguments.string();  // every request begins with a path, a handle or a name
  const auto found = handles_.find(name);
  const bool needs_handle = request == type_close || request == type_read || request == type_readdir;
  if (needs_handle && found == handles_.end()) {
    ++bad_handles;
    set_status(reply, status_failure);
    return reply;
  }
  reply.path = needs_handle ? found->second.path : name;
  switch (request) {
    case type_open:
      open(reply, name, arguments.u32());
      break;
    case type_opendir:
      opendir(reply, name);
      break;
    case type_lstat:
      lstat(reply, name);
      break;
    case type_readdir:
      readdir(reply, found->second);
      break;
    case type_read: {
      const std::uint64_t offset = arguments.number(8);
      read(reply, found->second, offset, arguments.u32());
      break;
    }
    case type_close:
      freed_.push_back(name);
      handles_.erase(found);
      set_status(reply, close_status);
      break;
    case type_remove:
      set_status(reply, tree.erase(name) == 1 ? status_ok : status_no_such_file);
      break;
    case type_extended:
      extended(reply, name);
      break;
    default:
      throw std::logic_error("the client sent a request that it has no use for");
  }
  return reply;
}

void FakeSftpServer::open(Reply& reply, const std::string& path, std::uint32_t flags) {
  constexpr std::uint32_t create = 0x08, truncate = 0x10, exclusive = 0x20;
  const auto found = tree.find(path);
  if (found == tree.end() && (flags & create) == 0) return set_status(reply, status_no_such_file);
  if (found != tree.end() && found->second.open_status != 0)
    return set_status(reply, found->second.open_status);
  if (found != tree.end() && (flags & exclusive) != 0) return set_status(reply, status_failure);
  if (handles_.size() >= most_handles) return set_status(reply, status_failure);
  if (found == tree.end()) add_file(path, "");
  if ((flags & truncate) != 0) tree[path].content.clear();
  give_handle(reply, {.path = path, .names = {}});
}

void FakeSftpServer::opendir(Reply& reply, const std::string& path) {
  const auto found = tree.find(path);
  if (found == tree.end()) return set_status(reply, status_no_such_file);
  if (found->second.open_status != 0) return set_status(reply, found->second.open_status);
  Handle handle{.path = path, .names = {".", ".."}};
  const std::string prefix = path + "/";
  for (const auto& [name, node] : tree)
    if (name.starts_with(prefix)) handle.names.push_back(name.substr(prefix.size()));
  give_handle(reply, std::move(handle));
}

void FakeSftpServer::readdir(Reply& reply, Handle& handle) {
  if (endless_listing) handle.next_name = 0;
  const std::size_t count = std::min(names_per_packet, handle.names.size() - handle.next_name);
  if (count == 0) return set_status(reply, status_eof);
  reply.type = type_name;
  reply.body = wire(static_cast<std::uint32_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& name = handle.names[handle.next_name++];
    const auto found = tree.find(handle.path + "/" + name);
    const Node node = found == tree.end() ? Node{.mode = S_IFDIR | 0755} : found->second;
    reply.body += wire_string(name) + wire_string("-rw-r--r-- longname") +
                  (node.attributes_listed ? attributes(node) : wire(0));
  }
}

void FakeSftpServer::read(Reply& reply, const Handle& handle, std::uint64_t offset, std::uint32_t length) {
  const Node& node = tree.at(handle.path);
  if (node.read_status != 0 && offset >= node.read_status_from) return set_status(reply, node.read_status);
  if (offset >= node.content.size()) return set_status(reply, status_eof);
  std::size_t count = std::min<std::size_t>({length, longest_read, node.content.size() - offset});
  if (shuffles() && random_below(3) == 0) count = 1 + random_below(count);
  reply.type = type_data;
  reply.body = wire_string(std::string_view(node.content).substr(offset, count));
}

void FakeSftpServer::lstat(Reply& reply, const std::string& path) {
  const auto found = tree.find(path);
  if (found == tree.end()) return set_status(reply, status_no_such_file);
  reply.type = type_attrs;
  reply.body = found->second.attributes_known ? attributes(found->second) : wire(0);
}

void FakeSftpServer::extended(Reply& reply, const std::string& name) {
  if (name == "fsync@openssh.com") return set_status(reply, fsync_status);
  if (name != "limits@openssh.com") throw std::logic_error("the client asked for an unknown extension");
  reply.type = type_extended_reply;
  reply.body = wire64(262'144) + wire64(told_read_length) + wire64(261'120) + wire64(told_open_handles);
}

std::string FakeSftpServer::new_handle() {
  const std::size_t number = handles_given_++;
  if (!counts_handles) return "handle number " + std::to_string(number);
  if (passed_over.contains(number)) ++slots_;
  if (freed_.empty() || passed_over.contains(number)) return wire(static_cast<std::uint32_t>(slots_++));
  std::string name = std::move(freed_.back());
  freed_.pop_back();
  return name;
}

void FakeSftpServer::give_handle(Reply& reply, Handle handle) {
  const std::string name = new_handle();
  handles_.emplace(name, std::move(handle));
  most_open = std::max(most_open, handles_.size());
  reply.type = type_handle;
  reply.body = wire_string(name);
}

void FakeSftpServer::deliver(const Reply& reply) {
  const std::string packet = std::string(1, static_cast<char>(reply.type)) + wire(reply.id) + reply.body;
  std::string bytes =
      wire(reply.announced_length.value_or(static_cast<std::uint32_t>(packet.size()))) + packet;
  if (reply.cut) bytes.resize(bytes.size() / 2);
  for (std::size_t copy = 0; copy < reply.copies; ++copy) deliver_bytes(bytes, reply.last || reply.cut);
}

void FakeSftpServer::deliver_bytes(std::string bytes, bool end) {
  server_free_ = std::max(server_free_, now_ + round_trip / 2) + per_request;
  const auto on_line = bytes_per_second == 0
                           ? 0ns
                           : std::chrono::nanoseconds(bytes.size() * 1'000'000'000U / bytes_per_second);
  line_free_ = std::max(line_free_, server_free_) + on_line;
  line_.push_back({line_free_ + round_trip / 2, std::move(bytes), end});
  if (!shuffles()) return;
  const std::size_t place = random_below(line_.size());
  std::swap(line_[place].bytes, line_.back().bytes);
}

std::size_t FakeSftpServer::random_below(std::size_t bound) {
  if (choose) return choose(bound);
  return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
}

}  // namespace peerstage::test
