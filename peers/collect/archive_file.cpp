#include "peers/collect/archive_file.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/collect/archive.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

constexpr std::size_t block_size = 1U << 20U;
constexpr std::size_t blocks = 4;
constexpr std::size_t alignment = 4096;
/// The disk is told to begin after so many bytes, so that the sync at the end has little left to wait for.
constexpr std::uint64_t writeback = 8U << 20U;

constexpr std::string_view prefix = ".cback.archive-";

/// One for each archive, so that the next collect replaces what an interrupted one has left.
std::string temporary_name(const std::string& name) {
  staging::Sha256 hash;
  hash.add(name);
  return std::string(prefix) + hash.finish().hex().substr(0, 16);
}

std::string by_descriptor(int file) {
  return "/proc/self/fd/" + std::to_string(file);
}

Descriptor without_name(const staging::Directory& where) {
  Descriptor file(::openat(where.descriptor(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  // It gets its name by way of /proc.
  if (file && ::access(by_descriptor(file.get()).c_str(), F_OK) != 0) return {};
  return file;
}

}  // namespace

ArchiveFile::ArchiveFile(const staging::Directory& where, std::string name)
    : where_(where), name_(std::move(name)), temporary_(temporary_name(name_)) {
  static_cast<void>(where_.find(name_));  // throws for a name that cannot be
  where_.unlink(temporary_);
  file_ = without_name(where_);
  if (!file_) {
    file_ = where_.create_file(temporary_, 0600);
    is_named_ = static_cast<bool>(file_);
  }
  if (!file_) throw system_error("cannot write " + where_.shown(name_), errno);
  is_direct_ = set_direct(true);
  block_ = new_block();
}

ArchiveFile::~ArchiveFile() {
  {
    const std::lock_guard lock(mutex_);
    full_.clear();
  }
  stop();
  if (is_named_) ::unlinkat(where_.descriptor(), temporary_.c_str(), 0);
}

void ArchiveFile::Free::operator()(std::byte* bytes) const {
  ::operator delete(bytes, std::align_val_t(alignment));
}

ArchiveFile::Block ArchiveFile::new_block() {
  void* const bytes = ::operator new(block_size, std::align_val_t(alignment));
  return {std::unique_ptr<std::byte[], Free>(static_cast<std::byte*>(bytes)), 0};
}

void ArchiveFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const auto taken = bytes.first(std::min(bytes.size(), block_size - block_.size));
    std::copy(taken.begin(), taken.end(), block_.bytes.get() + block_.size);
    block_.size += taken.size();
    bytes = bytes.subspan(taken.size());
    if (block_.size == block_size) hand_over();
  }
}

void ArchiveFile::hand_over() {
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return full_.size() < blocks || failure_; });
  if (failure_) std::rethrow_exception(failure_);
  full_.push_back(std::move(block_));
  if (free_.empty()) {
    block_ = new_block();
  } else {
    block_ = std::move(free_.back());
    free_.pop_back();
  }
  changed_.notify_all();
}

void ArchiveFile::work() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !full_.empty() || is_over_; });
    if (full_.empty() || failure_) return;
    Block block = std::move(full_.front());
    full_.pop_front();
    changed_.notify_all();
    lock.unlock();
    std::exception_ptr failure;
    try {
      put(block);
    } catch (...) {
      failure = std::current_exception();
    }
    block.size = 0;
    lock.lock();
    free_.push_back(std::move(block));
    if (!failure) continue;
    failure_ = failure;
    changed_.notify_all();
    return;
  }
}

void ArchiveFile::put(const Block& block) {
  const std::span<const std::byte> bytes(block.bytes.get(), block.size);
  hash_.add(bytes);
  // Only the last one is no multiple of anything.
  if (is_direct_ && block.size < block_size) is_direct_ = !set_direct(false);
  const std::uint64_t before = written_ / writeback * writeback;
  write_out(bytes);
  const std::uint64_t now = written_ / writeback * writeback;
  if (!is_direct_ && now > before) {
    ::sync_file_range(file_.get(), static_cast<off_t>(before), static_cast<off_t>(now - before),
                      SYNC_FILE_RANGE_WRITE);
  }
}

void ArchiveFile::write_out(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(written_));
    if (put >= 0) {
      written_ += static_cast<std::uint64_t>(put);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    // It said that it could, and cannot; or a write that was cut short has left us between two blocks.
    if (error == EINVAL && is_direct_ && set_direct(false)) {
      is_direct_ = false;
      continue;
    }
    throw system_error("cannot write " + where_.shown(name_), error);
  }
}

bool ArchiveFile::set_direct(bool direct) {
  const int flags = ::fcntl(file_.get(), F_GETFL);
  return flags >= 0 && ::fcntl(file_.get(), F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

void ArchiveFile::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

ArchiveFile::Content ArchiveFile::finish() {
  stop();
  if (failure_) std::rethrow_exception(failure_);
  put(block_);
  return {size_, hash_.finish()};
}

void ArchiveFile::publish(const std::optional<staging::Ownership>& owner, mode_t permissions) {
  const std::string shown = where_.shown(name_);
  staging::give_to(owner, file_.get(), shown);
  if (::fchmod(file_.get(), permissions) != 0)
    throw system_error("cannot set the permissions of " + shown, errno);
  if (!sync_to_disk(file_.get())) throw system_error("cannot sync " + shown, errno);
  give_name();
  where_.sync();
}

void ArchiveFile::give_name() {
  const int directory = where_.descriptor();
  if (!is_named_) {
    // A link never replaces, so where there is such a name, a second one is needed for a moment.
    const std::string source = by_descriptor(file_.get());
    if (::linkat(AT_FDCWD, source.c_str(), directory, name_.c_str(), AT_SYMLINK_FOLLOW) == 0) return;
    if (errno != EEXIST ||
        ::linkat(AT_FDCWD, source.c_str(), directory, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      throw system_error("cannot give " + where_.shown(name_) + " its name", errno);
    }
    is_named_ = true;
  }
  if (::renameat(directory, temporary_.c_str(), directory, name_.c_str()) != 0)
    throw system_error("cannot replace " + where_.shown(name_), errno);
  is_named_ = false;
}

void remove_unfinished_archives(const staging::Directory& where) {
  for (const std::string& name : where.list()) {
    if (name.size() == prefix.size() + 16 && name.compare(0, prefix.size(), prefix) == 0) where.unlink(name);
  }
}

}  // namespace peerstage::peers::collect
