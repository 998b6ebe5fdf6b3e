#include "peers/sftp/client.h"

#include <utility>

#include "peers/sftp/fetch.h"
#include "peers/sftp/listing.h"
#include "peers/sftp/refusal.h"

namespace peerstage::peers::sftp {
namespace {

const SystemClock system_clock;

PeerError cannot_look(const std::string& path, const std::string& machine, const Status& status) {
  return refused("cannot look at" + on_machine(path, machine), status);
}

std::optional<PeerError> failed(const std::string& tried, const Status& status) {
  return status.code == StatusCode::ok ? std::nullopt : std::optional(refused(tried, status));
}

std::string tried_to_mark(const std::string& path, const std::string& machine) {
  return "cannot write the marker" + on_machine(path, machine);
}

}  // namespace

Client::Client(Transport& transport, std::string machine)
    : Client(transport, std::move(machine), system_clock) {}

Client::Client(Transport& transport, std::string machine, const Clock& clock)
    : session_(transport, std::move(machine), clock) {}

std::optional<FileInfo> Client::lstat(const std::string& path) {
  Exchange exchange(session_);
  session_.lstat(path);
  const Answer answer = session_.wait();
  if (!answer.is_status()) {
    const FileInfo info = decode_attrs(answer.packet);
    exchange.finish();
    return info;
  }
  const Status status = decode_refusal(answer.packet);
  exchange.finish();
  if (status.code == StatusCode::no_such_file) return std::nullopt;
  throw cannot_look(path, session_.machine(), status);
}

std::vector<ListedEntry> Client::list(const std::string& directory, const ListLimits& limits) {
  return std::move(list_all({directory}, limits).front());
}

std::vector<std::vector<ListedEntry>> Client::list_all(const std::vector<std::string>& directories,
                                                       const ListLimits& limits) {
  return Listing(session_, directories, limits).read();
}

void Client::fetch(FileReceiver& receiver) {
  Fetch(session_, receiver).run();
}

/// The marker is written in its place, not under another name first: an empty file cannot be seen half, and
/// nothing is left behind on the peer by a session that ends in between. SFTP cannot sync a directory; what
/// the peer loses in a power cut is its marker, and then it is marked again by the next run.
void Client::write_marker(const std::string& path) {
  const Creation created = try_to_create(path);
  if (!created.found && !created.look_failed && !created.refused) return finish_marker(path, created.handle);
  if (!created.refused) session_.release(created.handle);  // it may lead through a link
  if (created.look_failed) throw PeerError(*created.look_failed);
  if (!created.found) throw PeerError(*created.refused);
  const bool is_link = created.found->type == FileType::symlink;
  if (!is_link && created.found->type != FileType::regular)
    throw PeerError(FailureKind::permanent, tried_to_mark(path, session_.machine()) + ": there is a " +
                                                to_string(created.found->type) + " of that name; remove it");
  if (is_link) remove(path);
  finish_marker(path, open(path, is_link ? OpenFlags::create_new : OpenFlags::truncate_existing));
}

/// In one round trip, since mostly nothing stands there. The server does one after the other.
Client::Creation Client::try_to_create(const std::string& path) {
  Creation creation;
  Exchange exchange(session_);
  session_.lstat(path);
  session_.open(path, OpenFlags::create_new);
  while (session_.unanswered() > 0) {
    const Answer answer = session_.wait();
    if (answer.request == PacketType::open && answer.is_status())
      creation.refused = refused(tried_to_mark(path, session_.machine()), decode_refusal(answer.packet));
    else if (answer.request == PacketType::open)
      creation.handle = decode_handle(answer.packet);
    else if (!answer.is_status())
      creation.found = decode_attrs(answer.packet);
    else if (const Status status = decode_refusal(answer.packet); status.code != StatusCode::no_such_file)
      creation.look_failed = cannot_look(path, session_.machine(), status);
  }
  exchange.finish();
  return creation;
}

std::string Client::open(const std::string& path, OpenFlags flags) {
  Exchange exchange(session_);
  session_.open(path, flags);
  const Answer answer = session_.wait();
  if (!answer.is_status()) {
    std::string handle(decode_handle(answer.packet));
    exchange.finish();
    return handle;
  }
  const Status status = decode_refusal(answer.packet);
  exchange.finish();
  throw refused(tried_to_mark(path, session_.machine()), status);
}

void Client::remove(const std::string& path) {
  Exchange exchange(session_);
  session_.remove(path);
  const Status status = decode_status(session_.wait().packet);
  exchange.finish();
  if (status.code != StatusCode::ok)
    throw refused("cannot remove the symlink" + on_machine(path, session_.machine()) +
                      ", which stands where the marker belongs",
                  status);
}

/// Syncs and closes it, and looks whether it is what it should be, in one round trip.
void Client::finish_marker(const std::string& path, const std::string& handle) {
  Exchange exchange(session_);
  if (session_.can_fsync()) session_.fsync(handle);
  session_.close(handle);
  session_.lstat(path);
  const std::string tried = tried_to_mark(path, session_.machine());
  std::optional<PeerError> sync_failed, close_failed, look_failed;
  std::optional<FileInfo> written;
  while (session_.unanswered() > 0) {
    const Answer answer = session_.wait();
    if (answer.request == PacketType::close)
      close_failed = failed(tried, decode_status(answer.packet));
    else if (answer.request != PacketType::lstat)
      sync_failed = failed(tried + " durably", decode_status(answer.packet));
    else if (!answer.is_status())
      written = decode_attrs(answer.packet);
    else if (const Status status = decode_refusal(answer.packet); status.code != StatusCode::no_such_file)
      look_failed = cannot_look(path, session_.machine(), status);
  }
  exchange.finish();
  for (const auto& failure : {sync_failed, close_failed, look_failed})
    if (failure) throw PeerError(*failure);
  if (!written || written->type != FileType::regular || written->size != 0U)
    throw PeerError(FailureKind::permanent, "the marker" + on_machine(path, session_.machine()) +
                                                " was written, but is not an empty regular file now");
}

}  // namespace peerstage::peers::sftp
