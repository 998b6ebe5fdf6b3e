#include "peers/sftp/listing.h"

#include <optional>
#include <utility>

#include "peers/sftp/refusal.h"
#include "peers/text.h"

namespace peerstage::peers::sftp {
namespace {

constexpr std::size_t own_and_parent = 2;

/// Without both, nobody can say whether there is something to fetch.
bool is_told(const FileInfo& info) {
  return info.permissions && info.size;
}

}  // namespace

Listing::Listing(Session& session, const std::string& directory, const ListLimits& limits)
    : session_(session), directory_(directory), limits_(limits) {}

std::vector<ListedEntry> Listing::read() {
  Exchange exchange(session_);
  session_.opendir(directory_);
  const Answer answer = session_.wait();
  if (answer.is_status()) {
    const Status status = decode_refusal(answer.packet);
    exchange.finish();
    throw refused("cannot list" + on_machine(directory_, session_.machine()), status);
  }
  const std::string handle(decode_handle(answer.packet));
  const std::optional<PeerError> failure = read_entries(handle);
  session_.close(handle);
  decode_status(session_.wait().packet);  // how closing went changes nothing about what was read
  if (!failure) complete_infos();
  exchange.finish();
  if (failure) throw PeerError(*failure);
  return std::move(entries_);
}

/// Asks on until the server says that it has no more, and collects every answer that is due even then: they
/// may come in any order.
std::optional<PeerError> Listing::read_entries(const std::string& handle) {
  std::optional<PeerError> failure;
  bool ended = false;
  do {
    while (!ended && session_.unanswered() < session_.pace().listings) session_.readdir(handle);
    const Answer answer = session_.wait();
    if (!answer.is_status()) {
      take_names(answer.packet);
      continue;
    }
    ended = true;
    const Status status = decode_refusal(answer.packet);
    if (status.code != StatusCode::eof && !failure)
      failure =
          refused("the listing of" + on_machine(directory_, session_.machine()) + " is incomplete", status);
  } while (session_.unanswered() > 0);
  return failure;
}

void Listing::take_names(const Packet& packet) {
  std::vector<ListedEntry> names = decode_names(packet);
  if (names.empty())
    throw protocol_error(session_.machine(), "the listing of '" + printable(directory_) +
                                                 "' is incomplete, because a NAME packet holds no names");
  seen_ += names.size();
  for (ListedEntry& entry : names) {
    name_bytes_ += entry.name.size();
    if (entry.name != "." && entry.name != "..") entries_.push_back(std::move(entry));
  }
  if (seen_ > limits_.entries + own_and_parent || name_bytes_ > limits_.name_bytes)
    throw PeerError(FailureKind::hostile, "the listing of" + on_machine(directory_, session_.machine()) +
                                              " does not end: " + std::to_string(seen_) + " entries so far");
}

/// Asks again for the entries of which the listing told too little. Those that cannot be asked for stay
/// unknown.
void Listing::complete_infos() {
  for (std::size_t next = 0;;) {
    for (; next < entries_.size() && session_.unanswered() < session_.pace().listings; ++next)
      if (!is_told(entries_[next].info))
        session_.lstat(directory_ + "/" + entries_[next].name, static_cast<std::uint32_t>(next));
    if (session_.unanswered() == 0) return;
    const Answer answer = session_.wait();
    if (answer.is_status())
      decode_refusal(answer.packet);
    else
      entries_[answer.tag].info = decode_attrs(answer.packet);
  }
}

}  // namespace peerstage::peers::sftp
