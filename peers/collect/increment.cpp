#include "peers/collect/increment.h"

#include "peers/failure.h"

namespace peerstage::peers::collect {

Increment::Increment(CollectMemory& memory, const std::string& archive, bool cedars_is_unstaged,
                     const Rules& rules)
    : base_(memory.base(archive, cedars_is_unstaged)), rules_(rules) {
  try {
    memory.begin_pending(archive, pending_);
  } catch (const PeerError& error) {
    give_up(error);
  }
}

void Increment::put(const std::string& path, const DigestEntry& entry) {
  if (!pending_) return;
  try {
    pending_->add(path, entry);
  } catch (const PeerError& error) {
    give_up(error);
  }
}

void Increment::give_up(const std::exception& error) {
  fault_ = error.what();
  pending_.reset();
}

std::optional<std::string> Increment::commit() {
  if (!pending_) return fault_;
  try {
    pending_->commit();
  } catch (const PeerError& error) {
    give_up(error);
  }
  return fault_;
}

bool Increment::is_known(const TreeEntry& entry, std::chrono::system_clock::time_point now) {
  const bool is_file = S_ISREG(entry.status.st_mode), is_directory = S_ISDIR(entry.status.st_mode);
  const DigestEntry* known = is_file || is_directory ? base_.find(entry.path) : nullptr;
  if (known == nullptr) return false;
  if (is_file) return known->kind == DigestEntry::Kind::file && is_known_file(entry, *known, now);
  if (known->kind != DigestEntry::Kind::directory || !is_known_directory(entry, *known)) return false;
  put(entry.path, *known);
  return true;
}

bool Increment::is_known_file(const TreeEntry& entry, const DigestEntry& known,
                              std::chrono::system_clock::time_point now) {
  const bool rights_count = rules_.content == config::ArchiveContent::whole && known.rights;
  if (rights_count && *known.rights != Rights::of(entry.status)) return false;
  const FileStamp stamp = FileStamp::of(entry.status);
  if (known.stamp && *known.stamp == stamp) {
    put(entry.path, known);
    return true;
  }
  if (known.stamp && known.stamp->size != stamp.size) return false;
  if (sum_of_file(entry) != known.sum) return false;
  put(entry.path, described(entry, known.sum, now));
  return true;
}

bool Increment::is_known_directory(const TreeEntry& entry, const DigestEntry& known) const {
  return known.rights == Rights::of(entry.status) && known.modified == FileStamp::of(entry.status).modified;
}

DigestEntry Increment::described(const TreeEntry& entry, const ContentSum& sum,
                                 std::chrono::system_clock::time_point now) const {
  DigestEntry result;
  result.sum = sum;
  result.rights = Rights::of(entry.status);
  const FileStamp stamp = FileStamp::of(entry.status);
  if (is_settled(stamp, now, rules_.settle_time)) result.stamp = stamp;
  return result;
}

void Increment::archived(const TreeEntry& entry, const std::optional<ContentSum>& sum,
                         std::chrono::system_clock::time_point now) {
  if (S_ISREG(entry.status.st_mode) && sum) put(entry.path, described(entry, *sum, now));
  if (!S_ISDIR(entry.status.st_mode)) return;
  DigestEntry directory;
  directory.kind = DigestEntry::Kind::directory;
  directory.rights = Rights::of(entry.status);
  directory.modified = FileStamp::of(entry.status).modified;
  put(entry.path, directory);
}

}  // namespace peerstage::peers::collect
