#include "peers/staging/file_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/staging/file_io.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::size_t batch_bytes = 512U << 10U;
constexpr std::size_t batch_steps = 384;
constexpr std::size_t batch_count = 16;
/// Files that are continued are open from when they are hashed until they are written.
constexpr std::size_t batch_continued = 4;
constexpr std::uint64_t write_back_bytes = 8U << 20U;
/// Of a file that is complete: less is not worth a call of its own.
constexpr std::uint64_t least_write_back = 256U << 10U;
/// On a slow line, what has arrived goes to the disk this often, so that little is lost when we die.
constexpr auto longest_wait = std::chrono::milliseconds(100);

}  // namespace

FileWriter::FileWriter(const Directory& spool, const std::optional<Ownership>& owner, Durability durability,
                       const std::vector<IncomingFile>& files)
    : spool_(spool),
      owner_(owner),
      durability_(durability),
      files_(files),
      free_(batch_count),
      sums_(files.size()) {
  current_ = take_free_batch();
  try {
    hasher_ = std::thread([this] {
      guarded([this] { hash_batches(); });
      end_hashing();
    });
    writer_ = std::thread([this] { guarded([this] { write_batches(); }); });
  } catch (...) {
    stop();
    throw;
  }
}

FileWriter::~FileWriter() {
  stop();
}

/// What is not written yet is dropped.
void FileWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    full_.clear();
    hashed_.clear();
    no_more_full_ = true;
  }
  changed_.notify_all();
  join();
}

void FileWriter::join() {
  for (std::thread* thread : {&hasher_, &writer_}) {
    if (thread->joinable()) thread->join();
  }
}

void FileWriter::begin(std::size_t file, std::uint64_t offset) {
  add({Action::begin, file, offset});
}

void FileWriter::data(std::size_t file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t room = batch_bytes - current_.bytes.size();
    const auto piece = bytes.first(std::min(room, bytes.size()));
    current_.bytes.insert(current_.bytes.end(), piece.begin(), piece.end());
    add({Action::data, file, piece.size()});
    bytes = bytes.subspan(piece.size());
  }
}

void FileWriter::complete(std::size_t file) {
  add({Action::complete, file, 0});
}

void FileWriter::abandon(std::size_t file) {
  add({Action::abandon, file, 0});
}

void FileWriter::add(Step step) {
  const auto now = std::chrono::steady_clock::now();
  if (current_.steps.empty()) current_.started = now;
  current_.continued += step.action == Action::begin && step.number > 0 ? 1U : 0U;
  current_.steps.push_back(std::move(step));
  const bool is_full = current_.bytes.size() == batch_bytes || current_.steps.size() >= batch_steps ||
                       current_.continued == batch_continued;
  if (is_full || now - current_.started > longest_wait) hand_over();
}

void FileWriter::hand_over() {
  {
    const std::lock_guard lock(mutex_);
    full_.push_back(std::move(current_));
  }
  changed_.notify_all();
  current_ = take_free_batch();
}

FileWriter::Batch FileWriter::take_free_batch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !free_.empty() || error_; });
  if (error_) std::rethrow_exception(error_);
  Batch batch = std::move(free_.back());
  free_.pop_back();
  lock.unlock();
  batch.bytes.clear();
  batch.bytes.reserve(batch_bytes);
  batch.steps.clear();
  batch.continued = 0;
  return batch;
}

std::vector<std::optional<Digest>> FileWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    full_.push_back(std::move(current_));
    no_more_full_ = true;
  }
  changed_.notify_all();
  join();
  if (error_) std::rethrow_exception(error_);
  return std::move(sums_);
}

/// The first error ends the work of both.
template <typename Work>
void FileWriter::guarded(Work work) {
  try {
    work();
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    changed_.notify_all();
  }
}

void FileWriter::hash_batches() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !full_.empty() || no_more_full_ || error_; });
    if (full_.empty() || error_) return;
    Batch batch = std::move(full_.front());
    full_.pop_front();
    lock.unlock();
    hash_batch(batch);
    lock.lock();
    hashed_.push_back(std::move(batch));
    changed_.notify_all();
  }
}

/// Whatever ended it: what is hashed is written, and kept for another run.
void FileWriter::end_hashing() {
  const std::lock_guard lock(mutex_);
  no_more_hashed_ = true;
  changed_.notify_all();
}

void FileWriter::hash_batch(Batch& batch) {
  std::span<const std::byte> bytes = batch.bytes;
  for (Step& step : batch.steps) {
    switch (step.action) {
      case Action::begin:
        hashes_.insert_or_assign(step.file, Sha256());
        if (step.number > 0) step.continued = hash_beginning(step.file, step.number);
        break;
      case Action::data:
        hashes_.at(step.file).add(bytes.first(step.number));
        bytes = bytes.subspan(step.number);
        break;
      case Action::complete:
        step.sum = hashes_.at(step.file).finish();
        hashes_.erase(step.file);
        break;
      case Action::abandon:
        hashes_.erase(step.file);
        break;
    }
  }
}

/// Nothing where the disk cannot read it any more: then it is discarded, and without a sum it is fetched once
/// more, whole.
Descriptor FileWriter::hash_beginning(std::size_t file, std::uint64_t offset) {
  const std::string& name = files_[file].name;
  Descriptor opened = spool_.open_file(name, O_RDWR);
  if (!opened) throw system_error("cannot open " + spool_.shown(name) + " again", errno);
  refuse_if_exchanged(opened.get(), spool_.shown(name));
  Sha256& hash = hashes_.at(file);
  try {
    read_pieces(opened.get(), offset, spool_.shown(name),
                [&hash](std::span<const std::byte> bytes) { hash.add(bytes); });
  } catch (const PeerError&) {
    spool_.unlink(name);
    return {};
  }
  if (::lseek(opened.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    throw system_error("cannot continue " + spool_.shown(name), errno);
  return opened;
}

/// The owner of the spool may have put another file under the name of the one that is to be continued, one
/// that he cannot write himself.
void FileWriter::refuse_if_exchanged(int descriptor, const std::string& shown) const {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw system_error("cannot look at " + shown, errno);
  const bool is_ours = status.st_uid == ::geteuid() || (owner_ && status.st_uid == owner_->uid);
  if (is_ours && status.st_nlink == 1) return;
  throw PeerError(
      FailureKind::permanent,
      "refused to continue " + shown + ": it is not what an earlier run wrote; who else writes there?");
}

void FileWriter::write_batches() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !hashed_.empty() || no_more_hashed_; });
    if (hashed_.empty()) return;
    Batch batch = std::move(hashed_.front());
    hashed_.pop_front();
    lock.unlock();
    write_batch(batch);
    lock.lock();
    free_.push_back(std::move(batch));
    changed_.notify_all();
  }
}

void FileWriter::write_batch(Batch& batch) {
  std::span<const std::byte> bytes = batch.bytes;
  for (Step& step : batch.steps) {
    switch (step.action) {
      case Action::begin:
        begin_file(step);
        break;
      case Action::data:
        write_data(step.file, bytes.first(step.number));
        bytes = bytes.subspan(step.number);
        break;
      case Action::complete:
        complete_file(step.file, step.sum);
        break;
      case Action::abandon:
        open_.erase(step.file);
        break;
    }
  }
}

void FileWriter::begin_file(Step& step) {
  const std::string& name = files_[step.file].name;
  OpenFile opened{std::move(step.continued), step.number, step.number, step.number > 0};
  if (step.number == 0) {
    opened.descriptor = spool_.create_file(name, 0600);
    if (!opened.descriptor && errno == EEXIST && spool_.unlink(name)) {
      opened.descriptor = spool_.create_file(name, 0600);
    }
    if (!opened.descriptor) throw system_error("cannot create " + spool_.shown(name), errno);
  }
  if (opened.descriptor) open_.insert_or_assign(step.file, std::move(opened));
}

void FileWriter::write_data(std::size_t file, std::span<const std::byte> bytes) {
  const auto found = open_.find(file);
  if (found == open_.end()) return;  // the disk failed for this one before
  OpenFile& opened = found->second;
  if (!write_whole(opened.descriptor.get(), bytes)) return disk_failed(file, "write", errno);
  opened.length += bytes.size();
  write_back(opened, write_back_bytes);
}

/// Begins to write now what a later sync would have to wait for; whether it works is for that sync to tell.
void FileWriter::write_back(OpenFile& file, std::uint64_t least) {
  if (file.length - file.written_back < least) return;
  static_cast<void>(::sync_file_range(file.descriptor.get(), static_cast<off_t>(file.written_back),
                                      static_cast<off_t>(file.length - file.written_back),
                                      SYNC_FILE_RANGE_WRITE));
  file.written_back = file.length;
}

/// Of a file that an earlier run took from an earlier day: it was whole already, and knows it.
std::optional<std::chrono::year_month_day> FileWriter::day_of_what_stands(int descriptor,
                                                                          const SourceTag& tag) {
  const auto standing = read_tag(descriptor);
  if (!standing) return std::nullopt;
  const bool is_same =
      standing->size == tag.size && standing->modified == tag.modified && standing->sum == tag.sum;
  return is_same ? standing->fetched_on : std::nullopt;
}

void FileWriter::complete_file(std::size_t file, const Digest& sum) {
  const auto found = open_.find(file);
  if (found == open_.end()) return;
  OpenFile& opened = found->second;
  const IncomingFile& incoming = files_[file];
  const std::string shown = spool_.shown(incoming.name);
  const int descriptor = opened.descriptor.get();

  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw system_error("cannot look at " + shown, errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (opened.length != incoming.source.size || size != opened.length || status.st_nlink != 1) {
    throw PeerError(FailureKind::permanent,
                    "refused " + shown + ": it is not what was written; who else writes there?");
  }
  SourceTag tag = incoming.source;
  tag.sum = sum;
  if (opened.is_continued) tag.fetched_on = day_of_what_stands(descriptor, tag);
  give_to(owner_, descriptor, shown);
  write_tag(descriptor, tag);
  if ((status.st_mode & 07777U) != incoming.mode) {
    if (::fchmod(descriptor, incoming.mode) != 0)
      throw system_error("cannot set the mode of " + shown, errno);
  }
  if (durability_ == Durability::together)
    write_back(opened, least_write_back);
  else if (!sync_to_disk(descriptor))
    return disk_failed(file, "sync", errno);
  if (::close(opened.descriptor.release()) != 0) return disk_failed(file, "close", errno);
  sums_[file] = sum;
  open_.erase(found);
}

/// Nothing that the kernel says about this file can be believed any more (a second sync would succeed,
/// without the data), so it goes, whatever the error was. After an I/O error it may be fetched again;
/// everything else (no space, read-only) would hit the next file as well.
void FileWriter::disk_failed(std::size_t file, const char* tried, int error_number) {
  const std::string& name = files_[file].name;
  const PeerError error =
      system_error(std::string("cannot ") + tried + " " + spool_.shown(name), error_number);
  open_.erase(file);
  try {
    spool_.unlink(name);
  } catch (const PeerError&) {
    throw PeerError(error);  // the cause, not its consequence
  }
  if (error_number != EIO) throw PeerError(error);
}

}  // namespace peerstage::peers::staging
