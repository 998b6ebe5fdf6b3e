#include "peers/sftp/listing.h"

#include <algorithm>
#include <utility>

#include "peers/sftp/refusal.h"
#include "peers/text.h"

namespace peerstage::peers::sftp {
namespace {

constexpr std::size_t own_and_parent = 2;

constexpr std::size_t most_at_a_time = 64;
/// For the entries of a small directory, and for the answer that there are no more.
constexpr std::size_t least_in_flight = 2;

/// Without both, nobody can say whether there is something to fetch.
bool is_told(const FileInfo& info) {
  return info.permissions && info.size;
}

}  // namespace

Listing::Listing(Session& session, const std::vector<std::string>& directories, const ListLimits& limits)
    : session_(session),
      directories_(directories),
      limits_(limits),
      at_a_time_(std::min(directories.size(), most_at_a_time)),
      states_(directories.size()),
      entries_(directories.size()) {}

std::vector<std::vector<ListedEntry>> Listing::read() {
  Exchange exchange(session_);
  for (ask(); !ended(); ask()) take(session_.wait());
  if (!failure_) complete_infos();
  exchange.finish();
  if (failure_) throw PeerError(*failure_);
  return std::move(entries_);
}

/// Not before the server has said of each directory that it has no more.
bool Listing::ended() const {
  return open_.empty() && (failure_ || next_ == directories_.size());
}

void Listing::ask() {
  while (!failure_ && next_ < directories_.size() && open_.size() < at_a_time_) {
    session_.opendir(directories_[next_], next_);
    open_.push_back(next_++);
  }
  for (const Index index : open_) ask_for_entries(index);
}

/// Goes on until the server says that it has no more, whatever failed elsewhere. What has arrived is looked
/// at before more is asked for than keeps the server busy: it may say that there is no more.
void Listing::ask_for_entries(Index index) {
  OneDirectory& directory = states_[index];
  if (!directory.handle || directory.ended) return;
  const std::size_t share = std::max(session_.pace().listings / at_a_time_, least_in_flight);
  if (session_.has_answer() && directory.unanswered >= share / 2) return;
  for (; directory.unanswered < share; ++directory.unanswered) session_.readdir(*directory.handle, index);
}

void Listing::take(const Answer& answer) {
  if (answer.request == PacketType::opendir) return opened(answer.tag, answer);
  entries_came(answer.tag, answer);
}

void Listing::opened(Index index, const Answer& answer) {
  if (!answer.is_status()) {
    states_[index].handle.emplace(decode_handle(answer.packet));
    return;
  }
  std::erase(open_, index);
  fail(refused("cannot list" + on_machine(directories_[index], session_.machine()),
               decode_refusal(answer.packet)));
}

/// Every answer that is due is collected, even behind the end: they may come in any order.
void Listing::entries_came(Index index, const Answer& answer) {
  OneDirectory& directory = states_[index];
  --directory.unanswered;
  if (answer.is_status()) {
    directory.ended = true;
    const Status status = decode_refusal(answer.packet);
    if (status.code != StatusCode::eof)
      fail(refused("the listing of" + on_machine(directories_[index], session_.machine()) + " is incomplete",
                   status));
  } else {
    take_names(index, answer.packet);
  }
  if (!directory.ended || directory.unanswered > 0) return;
  session_.release(*directory.handle);
  std::erase(open_, index);
}

void Listing::take_names(Index index, const Packet& packet) {
  std::vector<ListedEntry> names = decode_names(packet);
  if (names.empty())
    throw protocol_error(session_.machine(), "the listing of '" + printable(directories_[index]) +
                                                 "' is incomplete, because a NAME packet holds no names");
  seen_ += names.size();
  for (ListedEntry& entry : names) {
    name_bytes_ += entry.name.size();
    if (entry.name != "." && entry.name != "..") entries_[index].push_back(std::move(entry));
  }
  if (seen_ > limits_.entries + own_and_parent * directories_.size() || name_bytes_ > limits_.name_bytes)
    throw PeerError(FailureKind::hostile, "the listing of" +
                                              on_machine(directories_[index], session_.machine()) +
                                              " does not end: " + std::to_string(seen_) + " entries so far");
}

void Listing::fail(const PeerError& failure) {
  if (!failure_) failure_ = failure;
}

/// Asks again for the entries of which the listing told too little. Those that cannot be asked for stay
/// unknown.
void Listing::complete_infos() {
  struct Untold {
    const std::string& directory;
    ListedEntry& entry;
  };
  std::vector<Untold> untold;
  for (std::size_t i = 0; i < directories_.size(); ++i)
    for (ListedEntry& entry : entries_[i])
      if (!is_told(entry.info)) untold.push_back({directories_[i], entry});
  for (std::size_t next = 0;;) {
    for (; next < untold.size() && session_.unanswered() < session_.pace().listings; ++next)
      session_.lstat(untold[next].directory + "/" + untold[next].entry.name, static_cast<Index>(next));
    if (session_.unanswered() == 0) return;
    const Answer answer = session_.wait();
    if (answer.is_status())
      decode_refusal(answer.packet);
    else
      untold[answer.tag].entry.info = decode_attrs(answer.packet);
  }
}

}  // namespace peerstage::peers::sftp
