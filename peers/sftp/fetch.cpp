#include "peers/sftp/fetch.h"

#include <algorithm>
#include <utility>

#include "peers/sftp/refusal.h"
#include "peers/text.h"

namespace peerstage::peers::sftp {

Fetch::Fetch(Session& session, FileReceiver& receiver) : session_(session), receiver_(receiver) {}

void Fetch::run() {
  Exchange exchange(session_);
  for (ask(); !ended(); ask()) {
    if (session_.unanswered() > 0)
      take(session_.wait());
    else
      session_.wait_for_room();
  }
  exchange.finish();
}

bool Fetch::ended() const {
  return exhausted_ && refused_.empty() && active_files() == 0;
}

/// Reading goes first: it is what makes room for more files.
void Fetch::ask() {
  while (may_read()) read_next_piece();
  while (may_open()) {
    std::optional<FetchRequest> request = next_request();
    if (!request) return;
    open(std::move(*request));
  }
}

bool Fetch::may_open() const {
  if (!session_.may_ask()) return false;
  switch (doubt_) {
    case Doubt::none:
      return active_files() < open_limit() && (!exhausted_ || !refused_.empty());
    case Doubt::waiting:
      return active_files() == 0;
    case Doubt::trying:
      return false;
  }
  return false;
}

std::size_t Fetch::open_limit() const {
  return std::min({session_.pace().files, session_.open_files_limit(), found_limit_});
}

std::optional<FetchRequest> Fetch::next_request() {
  if (!refused_.empty()) {
    FetchRequest request = std::move(refused_.front());
    refused_.pop_front();
    return request;
  }
  std::optional<FetchRequest> request = receiver_.next();
  exhausted_ = !request;
  return request;
}

void Fetch::open(FetchRequest request) {
  if (doubt_ == Doubt::waiting) doubt_ = Doubt::trying;
  const bool alone = active_files() == 0;
  const Index index = new_file(std::move(request));
  File& file = files_[index];
  file.opened_alone = alone;
  auto foretold = session_.open(file.request.path, OpenFlags::read, index);
  if (!foretold || !may_read_at_once(file.request)) return;
  file.handle = std::move(*foretold);
  file.foretold = Foretold::open;
  ask_for_piece(index);
}

bool Fetch::may_read_at_once(const FetchRequest& request) const {
  const std::uint64_t missing = request.size - request.offset;
  return missing > 0 && missing <= session_.read_size() && doubt_ == Doubt::none && session_.may_ask() &&
         bytes_on_their_way_ < session_.pace().bytes;
}

bool Fetch::may_read() const {
  return !unread_.empty() && session_.may_ask() && bytes_on_their_way_ < session_.pace().bytes;
}

void Fetch::read_next_piece() {
  const Index index = unread_.front();
  ask_for_piece(index);
  if (files_[index].asked == files_[index].request.size) unread_.pop_front();
}

void Fetch::ask_for_piece(Index index) {
  const Index added = new_piece(index);
  File& file = files_[index];
  Piece& piece = pieces_[added];
  piece.offset = file.asked;
  piece.length = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(session_.read_size(), file.request.size - file.asked));
  file.asked += piece.length;
  bytes_on_their_way_ += piece.length;
  (file.first_piece == none ? file.first_piece : pieces_[file.last_piece].next) = added;
  file.last_piece = added;
  ask_for_rest(added);
}

void Fetch::take(const Answer& answer) {
  switch (answer.request) {
    case PacketType::open:
      return opened(answer.tag, answer.packet);
    default:
      return read_answered(answer.tag, answer);
  }
}

void Fetch::opened(Index file_index, const Packet& packet) {
  if (packet.type == PacketType::status) return open_refused(file_index, decode_refusal(packet));
  File& file = files_[file_index];
  const std::string_view handle = decode_handle(packet);
  ++open_;
  if (doubt_ == Doubt::trying) too_many_were_open();
  if (file.foretold != Foretold::no) return told(file, handle);
  file.handle = handle;
  if (file.asked < file.request.size) return unread_.push_back(file_index);
  receiver_.complete(file.request.id);
  close(file_index);
}

/// The handle of a file of which everything was asked for already.
void Fetch::told(File& file, std::string_view handle) {
  const bool is_right = file.handle == handle;
  file.handle = handle;
  // It was answered before it was known what it was about, and that did not count.
  if (file.unanswered == 0) {
    file.foretold = Foretold::no;
    return ask_for_rest(file.first_piece);
  }
  file.foretold = is_right && file.foretold == Foretold::open ? Foretold::no : Foretold::wrongly;
}

void Fetch::open_refused(Index file_index, const Status& status) {
  File& file = files_[file_index];
  if (status.code == StatusCode::failure && !file.opened_alone) {
    open_when_refused_ = doubt_ == Doubt::none ? open_ : std::min(open_when_refused_, open_);
    doubt_ = Doubt::waiting;
    refused_.push_back(std::move(file.request));
    return give_up(file_index);
  }
  if (doubt_ == Doubt::trying) doubt_ = refused_.empty() ? Doubt::none : Doubt::waiting;
  if (status.code == StatusCode::no_such_file)
    fail(file, {FailureKind::transient, of(file) + " vanished after it was listed"});
  else
    fail(file, refused("cannot open" + on_machine(file.request.path, session_.machine()), status).failure());
  give_up(file_index);
}

/// A file that was not opened.
void Fetch::give_up(Index file_index) {
  File& file = files_[file_index];
  file.foretold = Foretold::refused;
  if (file.unanswered > 0) return;
  free_pieces(file);
  free_file(file_index);
}

/// The limit only ever falls, so that this ends.
void Fetch::too_many_were_open() {
  found_limit_ = std::max<std::size_t>(1, std::min(found_limit_, open_when_refused_) * 7 / 8);
  doubt_ = Doubt::none;
}

/// To a READ with a handle that was not the file's, or that nobody knew to be.
void Fetch::wrong_read_answered(Index piece_index, const Answer& answer) {
  const Index file_index = pieces_[piece_index].file;
  File& file = files_[file_index];
  if (answer.is_status())
    decode_refusal(answer.packet);
  else
    check_length(pieces_[piece_index], decode_data(answer.packet));
  if (file.foretold == Foretold::refused) return give_up(file_index);
  if (file.foretold == Foretold::open) return;  // until it is told
  file.foretold = Foretold::no;
  ask_for_rest(piece_index);
}

void Fetch::check_length(const Piece& piece, std::span<const std::byte> data) const {
  if (data.size() <= piece.length - piece.received) return;
  throw protocol_error(session_.machine(), "it sent more of '" + printable(files_[piece.file].request.path) +
                                               "' than it was asked for");
}

void Fetch::read_answered(Index piece_index, const Answer& answer) {
  const Index file_index = pieces_[piece_index].file;
  File& file = files_[file_index];
  --file.unanswered;
  if (file.foretold != Foretold::no) return wrong_read_answered(piece_index, answer);
  if (answer.is_status()) {
    const Status status = decode_refusal(answer.packet);
    if (!file.failed) read_refused(file_index, status);
  } else {
    const auto data = decode_data(answer.packet);
    check_length(pieces_[piece_index], data);
    if (!file.failed) take_data(piece_index, data);
  }
  const bool ended = file.failed || file.delivered == file.request.size;
  if (ended && file.unanswered == 0) close(file_index);
}

void Fetch::read_refused(Index file_index, const Status& status) {
  File& file = files_[file_index];
  std::erase(unread_, file_index);
  if (status.code == StatusCode::eof)
    return fail(file, {FailureKind::transient, of(file) + " is shorter than promised: it was listed with " +
                                                   std::to_string(file.request.size) + " bytes"});
  if (status.code == StatusCode::no_such_file)
    return fail(file, {FailureKind::transient, of(file) + " vanished while it was read"});
  fail(file, refused("cannot read" + on_machine(file.request.path, session_.machine()), status).failure());
}

void Fetch::take_data(Index piece_index, std::span<const std::byte> data) {
  Piece& piece = pieces_[piece_index];
  File& file = files_[piece.file];
  piece.received += static_cast<std::uint32_t>(data.size());
  const bool its_turn = file.first_piece == piece_index;
  if (its_turn) {
    deliver(file, data);
  } else {
    piece.kept.reserve(piece.length);
    piece.kept.insert(piece.kept.end(), data.begin(), data.end());
  }
  if (piece.received < piece.length)
    ask_for_rest(piece_index);
  else if (its_turn)
    deliver_kept(file);
}

void Fetch::deliver(File& file, std::span<const std::byte> data) {
  receiver_.data(file.request.id, data);
  file.delivered += data.size();
  bytes_on_their_way_ -= data.size();
  if (file.delivered == file.request.size) receiver_.complete(file.request.id);
}

/// Takes the finished pieces off the front, and delivers of those behind them what had to wait.
void Fetch::deliver_kept(File& file) {
  while (file.first_piece != none) {
    Piece& piece = pieces_[file.first_piece];
    if (!piece.kept.empty()) {
      deliver(file, piece.kept);
      piece.kept = {};
    }
    if (piece.received < piece.length) return;
    const Index next = piece.next;
    free_piece(file.first_piece);
    file.first_piece = next;
  }
}

/// Also the first request: then the rest is all of it.
void Fetch::ask_for_rest(Index piece_index) {
  const Piece& piece = pieces_[piece_index];
  File& file = files_[piece.file];
  ++file.unanswered;
  session_.read(file.handle, piece.offset + piece.received, piece.length - piece.received, piece_index);
}

void Fetch::fail(File& file, const Failure& failure) {
  file.failed = true;
  receiver_.failed(file.request.id, failure);
}

/// The place of the file is free at once: the server handles requests in order, so its handle is gone before
/// the next file is opened.
void Fetch::close(Index file_index) {
  File& file = files_[file_index];
  session_.release(file.handle);
  --open_;
  free_pieces(file);
  free_file(file_index);
}

void Fetch::free_pieces(File& file) {
  bytes_on_their_way_ -= file.asked - file.delivered;
  while (file.first_piece != none) {
    const Index next = pieces_[file.first_piece].next;
    free_piece(file.first_piece);
    file.first_piece = next;
  }
}

Fetch::Index Fetch::new_file(FetchRequest request) {
  if (free_files_.empty()) {
    free_files_.push_back(static_cast<Index>(files_.size()));
    files_.emplace_back();
  }
  const Index index = free_files_.back();
  free_files_.pop_back();
  File& file = files_[index];
  file.asked = file.delivered = request.offset;
  file.request = std::move(request);
  return index;
}

void Fetch::free_file(Index file_index) {
  files_[file_index] = {};
  free_files_.push_back(file_index);
}

Fetch::Index Fetch::new_piece(Index file_index) {
  if (free_pieces_.empty()) {
    free_pieces_.push_back(static_cast<Index>(pieces_.size()));
    pieces_.emplace_back();
  }
  const Index index = free_pieces_.back();
  free_pieces_.pop_back();
  pieces_[index].file = file_index;
  return index;
}

void Fetch::free_piece(Index piece_index) {
  pieces_[piece_index] = {};
  free_pieces_.push_back(piece_index);
}

std::string Fetch::of(const File& file) const {
  return "'" + printable(file.request.path) + "' on " + session_.machine();
}

}  // namespace peerstage::peers::sftp
