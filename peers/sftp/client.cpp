#include "peers/sftp/client.h"

#include <utility>

#include "peers/sftp/fetch.h"
#include "peers/sftp/listing.h"
#include "peers/sftp/refusal.h"

namespace peerstage::peers::sftp {
namespace {

const SystemClock system_clock;

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
  throw refused("cannot look at" + on_machine(path, session_.machine()), status);
}

std::vector<ListedEntry> Client::list(const std::string& directory, const ListLimits& limits) {
  return Listing(session_, directory, limits).read();
}

void Client::fetch(FileReceiver& receiver) {
  Fetch(session_, receiver).run();
}

/// The marker is written in its place, not under another name first: an empty file cannot be seen half, and
/// nothing is left behind on the peer by a session that ends in between. SFTP cannot sync a directory; what
/// the peer loses in a power cut is its marker, and then it is marked again by the next run.
void Client::write_marker(const std::string& path) {
  const std::optional<FileInfo> found = lstat(path);
  const bool is_link = found && found->type == FileType::symlink;
  if (found && !is_link && found->type != FileType::regular)
    throw PeerError(FailureKind::permanent, "cannot write the marker" + on_machine(path, session_.machine()) +
                                                ": there is a " + to_string(found->type) +
                                                " of that name; remove it");
  if (is_link) remove(path);
  write_empty(path, found && !is_link ? OpenFlags::truncate_existing : OpenFlags::create_new);
  const std::optional<FileInfo> written = lstat(path);
  if (!written || written->type != FileType::regular || written->size != 0U)
    throw PeerError(FailureKind::permanent, "the marker" + on_machine(path, session_.machine()) +
                                                " was written, but is not an empty regular file now");
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

void Client::write_empty(const std::string& path, OpenFlags flags) {
  const std::string tried = "cannot write the marker" + on_machine(path, session_.machine());
  Exchange exchange(session_);
  session_.open(path, flags);
  const Answer answer = session_.wait();
  if (answer.is_status()) {
    const Status status = decode_refusal(answer.packet);
    exchange.finish();
    throw refused(tried, status);
  }
  const std::string handle(decode_handle(answer.packet));
  std::optional<PeerError> failure;
  if (session_.can_fsync()) {
    session_.fsync(handle);
    const Status status = decode_status(session_.wait().packet);
    if (status.code != StatusCode::ok) failure = refused(tried + " durably", status);
  }
  session_.close(handle);
  const Status status = decode_status(session_.wait().packet);
  if (status.code != StatusCode::ok && !failure) failure = refused(tried, status);
  exchange.finish();
  if (failure) throw PeerError(*failure);
}

}  // namespace peerstage::peers::sftp
