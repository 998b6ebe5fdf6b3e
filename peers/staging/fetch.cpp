#include "peers/staging/fetch.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>

#include "peers/staging/disk_space.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

using Clock = std::chrono::system_clock;

/// How often the free space is looked at while files arrive, in bytes.
constexpr std::uint64_t space_check_bytes = 256U << 20U;

bool is_racy(const SourceFile& file) {
  const auto age = Clock::now().time_since_epoch() - file.modified;
  return age < racy_window && age > -racy_window;
}

void merge_failure(FetchResult& result, const Failure& failure) {
  ++result.failed;
  if (!result.first_failure) {
    result.first_failure = failure;
  } else if (result.first_failure->kind == FailureKind::transient || failure.kind == FailureKind::hostile) {
    result.first_failure->kind = failure.kind;  // as bad as the worst: trying again must help for all of them
  }
}

void doubt(FetchResult& result, const FetchContext& context, const WantedFile& file,
           const std::string& reason) {
  if (result.doubtful.empty())
    result.doubt = reason + ": " + printable(path_on_peer(context.collect_dir, file.source->path));
  result.doubtful.push_back(file.source->path.bytes());
  result.sums.erase(file.spooled);
  context.spool.discard(file.spooled);
}

/// Waits as the bandwidth limit wants it.
void pay(const FetchContext& context, std::uint64_t bytes) {
  constexpr std::chrono::nanoseconds none(0), longest = std::chrono::milliseconds(100);
  context.throttle.take(bytes);
  for (auto wait = context.throttle.wait(); wait > none; wait = context.throttle.wait()) {
    std::this_thread::sleep_for(std::min(wait, longest));  // the limit may be another one by then
    context.progress.tell_if_due();                        // that we wait, and do not hang
  }
}

class SpoolReceiver final : public FileReceiver {
 public:
  SpoolReceiver(const FetchContext& context, const std::vector<WantedFile>& files, FileWriter& writer,
                FetchResult& result)
      : context_(context),
        files_(files),
        writer_(writer),
        result_(result),
        racy_(files.size()),
        arrived_(files.size()) {}

  std::optional<FetchRequest> next() override {
    while (next_ < files_.size()) {
      const std::size_t id = next_++;
      const SourceFile& file = *files_[id].source;
      const std::uint64_t offset = files_[id].present;
      writer_.begin(id, offset);
      if (offset > 0) result_.continued.insert(files_[id].spooled);
      if (offset > 0 && offset == file.size) {
        writer_.complete(id);
        arrived_[id] = true;
        ++result_.reused;
        continue;
      }
      racy_[id] = is_racy(file);
      return FetchRequest{id, path_on_peer(context_.collect_dir, file.path), offset, file.size};
    }
    return std::nullopt;
  }

  void data(std::size_t id, std::span<const std::byte> bytes) override {
    writer_.data(id, bytes);
    context_.progress.add_bytes(bytes.size());
    unchecked_bytes_ += bytes.size();
    if (unchecked_bytes_ >= space_check_bytes) check_space();
    pay(context_, bytes.size());
  }

  void complete(std::size_t id) override {
    writer_.complete(id);
    arrived_[id] = true;
    context_.progress.add_file();
  }

  void failed(std::size_t id, const Failure& failure) override {
    writer_.abandon(id);
    merge_failure(result_, failure);
  }

  bool racy(std::size_t id) const { return racy_[id]; }
  bool arrived(std::size_t id) const { return arrived_[id]; }

 private:
  void check_space() {
    unchecked_bytes_ = 0;
    const auto lack =
        lack_of_space(free_space_of(context_.place.disk().descriptor()), {}, context_.minimum_free);
    if (!lack) return;
    throw PeerError(FailureKind::permanent, "the staging disk at " + printable(context_.place.disk().path()) +
                                                " became full during the transfer: " + *lack +
                                                "; make room and run again");
  }

  const FetchContext& context_;
  const std::vector<WantedFile>& files_;
  FileWriter& writer_;
  FetchResult& result_;
  std::vector<bool> racy_;
  std::vector<bool> arrived_;
  std::size_t next_ = 0;
  std::uint64_t unchecked_bytes_ = 0;
};

/// Only hashes.
class SumReceiver final : public FileReceiver {
 public:
  SumReceiver(const FetchContext& context, const std::vector<WantedFile>& files)
      : context_(context), files_(files), sums_(files.size()) {}

  std::optional<FetchRequest> next() override {
    if (next_ == files_.size()) return std::nullopt;
    const std::size_t id = next_++;
    hashes_.try_emplace(id);
    return FetchRequest{id, path_on_peer(context_.collect_dir, files_[id].source->path), 0,
                        files_[id].source->size};
  }
  void data(std::size_t id, std::span<const std::byte> bytes) override {
    hashes_.at(id).add(bytes);
    pay(context_, bytes.size());
  }
  void complete(std::size_t id) override {
    sums_[id] = hashes_.at(id).finish();
    hashes_.erase(id);
  }
  void failed(std::size_t id, const Failure&) override { hashes_.erase(id); }

  const std::optional<Digest>& sum(std::size_t id) const { return sums_[id]; }

 private:
  const FetchContext& context_;
  const std::vector<WantedFile>& files_;
  std::size_t next_ = 0;
  std::unordered_map<std::size_t, Sha256> hashes_;
  std::vector<std::optional<Digest>> sums_;
};

/// SFTP tells whole seconds, so a change within the second of the mtime does not show, in this run or a later
/// one. Once that second is over, every change does.
void wait_for_next_second(const std::vector<WantedFile>& files) {
  constexpr std::chrono::seconds second(1);
  std::chrono::nanoseconds over{0};
  for (const WantedFile& file : files) {
    const SourceFile& source = *file.source;
    if (source.size > 0 && source.modified % second == std::chrono::nanoseconds(0))
      over = std::max(over, source.modified + second);
  }
  const auto wait = over - Clock::now().time_since_epoch();
  if (wait > std::chrono::nanoseconds(0)) std::this_thread::sleep_for(wait);
}

void read_twice(const FetchContext& context, const std::vector<WantedFile>& files, FetchResult& result) {
  if (files.empty()) return;
  wait_for_next_second(files);
  SumReceiver again(context, files);
  context.connection.fetch(again);
  for (std::size_t id = 0; id < files.size(); ++id) {
    if (again.sum(id) == result.sums.at(files[id].spooled)) continue;
    doubt(result, context, files[id], "a file keeps changing while it is read");
  }
}

class TextReceiver final : public FileReceiver {
 public:
  TextReceiver(const std::string& path, std::uint64_t size) : path_(path), size_(size) {}

  std::optional<FetchRequest> next() override {
    if (std::exchange(asked_, true)) return std::nullopt;
    return FetchRequest{0, path_, 0, size_};
  }
  void data(std::size_t, std::span<const std::byte> bytes) override {
    const std::size_t old_size = text.size();
    text.resize(old_size + bytes.size());
    std::memcpy(text.data() + old_size, bytes.data(), bytes.size());
  }
  void complete(std::size_t) override {}
  void failed(std::size_t, const Failure& failure) override {
    throw PeerError(failure.kind, failure.message);
  }

  std::string text;

 private:
  const std::string& path_;
  std::uint64_t size_;
  bool asked_ = false;
};

}  // namespace

void Progress::plan(std::uint64_t files, std::uint64_t bytes) {
  planned_files_ += files;
  planned_bytes_ += bytes;
  observer_.planned(planned_files_, planned_bytes_);
}

void Progress::add_bytes(std::uint64_t bytes) {
  bytes_ += bytes;
  tell_if_due();
}

void Progress::add_file() {
  ++files_;
  add_bytes(0);
}

void Progress::tell_if_due() {
  if (std::chrono::steady_clock::now() - told_ > std::chrono::milliseconds(100)) tell();
}

void Progress::tell() {
  observer_.progress(files_, bytes_);
  told_ = std::chrono::steady_clock::now();
}

FetchResult fetch_files(const FetchContext& context, const std::vector<WantedFile>& files) {
  FetchResult result;
  if (files.empty()) return result;
  std::vector<IncomingFile> incoming;
  incoming.reserve(files.size());
  for (const WantedFile& file : files) {
    const SourceFile& source = *file.source;
    incoming.push_back(
        {file.spooled, {source.size, source.modified, {}}, context.modes.file(source.permissions)});
  }

  FileWriter writer(context.spool.directory(), context.place.owner(), context.durability, incoming);
  SpoolReceiver receiver(context, files, writer, result);
  try {
    context.connection.fetch(receiver);
  } catch (...) {
    // What has arrived is worth keeping for the next attempt, unless the disk is what failed.
    static_cast<void>(writer.finish());
    throw;
  }
  const auto sums = writer.finish();
  context.progress.tell();

  std::vector<WantedFile> racy;
  for (std::size_t id = 0; id < files.size(); ++id) {
    if (sums[id]) {
      result.sums.emplace(incoming[id].name, *sums[id]);
      if (receiver.racy(id)) racy.push_back(files[id]);
    } else if (receiver.arrived(id)) {
      doubt(result, context, files[id], "the staging disk has I/O errors and could not keep a file");
    }
  }
  read_twice(context, racy, result);
  return result;
}

std::string fetch_text(Connection& connection, const std::string& path, std::uint64_t size,
                       std::uint64_t limit) {
  if (size > limit) {
    throw PeerError(FailureKind::permanent, "cannot read " + printable(path) +
                                                " at the peer: it is longer than " + std::to_string(limit) +
                                                " bytes");
  }
  TextReceiver receiver(path, size);
  connection.fetch(receiver);
  return std::move(receiver.text);
}

}  // namespace peerstage::peers::staging
