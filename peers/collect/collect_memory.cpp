#include "peers/collect/collect_memory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <random>
#include <utility>

#include <fcntl.h>

#include "peers/collect/cedar_digest.h"
#include "peers/failure.h"
#include "peers/peer.h"
#include "peers/staging/file_io.h"

namespace peerstage::peers::collect {
namespace {

constexpr std::int64_t one_second = 1'000'000'000;

std::string new_collect_id() {
  std::random_device random;
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x%08x%08x", random(), random(), random(), random());
  return text.data();
}

/// Whether a time is of an earlier local date than another; both in ns since the epoch.
bool is_of_earlier_day(std::int64_t then, std::int64_t now) {
  const auto then_seconds = static_cast<std::time_t>(then / one_second);
  const auto now_seconds = static_cast<std::time_t>(now / one_second);
  std::tm then_date{}, now_date{};
  if (::localtime_r(&then_seconds, &then_date) == nullptr ||
      ::localtime_r(&now_seconds, &now_date) == nullptr)
    return false;
  return std::pair(then_date.tm_year, then_date.tm_yday) < std::pair(now_date.tm_year, now_date.tm_yday);
}

bool is_of_earlier_day(std::int64_t then, std::chrono::system_clock::time_point now) {
  return is_of_earlier_day(then, std::chrono::system_clock::to_time_t(now) * one_second);
}

/// Digests that are not confirmed have a second ending.
enum class Unconfirmed { pending, waiting };

struct UnconfirmedDigest {
  Unconfirmed kind;
  std::string archive;
};

/// Absent: the file is none.
std::optional<UnconfirmedDigest> unconfirmed_digest(const std::string& file) {
  const std::size_t dot = file.rfind('.');
  const auto archive = archive_of_confirmed_digest(file.substr(0, std::min(dot, file.size())));
  if (!archive) return std::nullopt;
  if (file == pending_digest_name(*archive)) return UnconfirmedDigest{Unconfirmed::pending, *archive};
  if (file == waiting_digest_name(*archive)) return UnconfirmedDigest{Unconfirmed::waiting, *archive};
  return std::nullopt;
}

void rename_within(const staging::Directory& where, const std::string& from, const std::string& to) {
  if (::renameat(where.descriptor(), from.c_str(), where.descriptor(), to.c_str()) != 0)
    throw system_error("cannot rename " + where.shown(from) + " to " + where.shown(to), errno);
}

}  // namespace

CollectMemory::CollectMemory(const staging::Directory& collect_dir, const staging::Directory& working,
                             const std::optional<staging::Ownership>& owner, Observer& observer)
    : collect_dir_(collect_dir),
      working_(working),
      owner_(owner),
      observer_(observer),
      id_(new_collect_id()) {
  read_state();
  judge();
  archives_before_ = state_.archives;
}

void CollectMemory::read_state() {
  std::optional<CollectState> found;
  bool is_broken = false;
  try {
    found = read_collect_state(working_);
  } catch (const PeerError& error) {
    is_broken = true;
    warn(std::string(error.what()) + "; incremental items begin anew");
  }
  const bool is_of_another = found && found->collect_dir != collect_dir_.path();
  if (is_of_another)
    warn(
        "the state in the working directory is that of another collect directory; incremental items begin "
        "anew");
  if (found && !is_of_another) {
    state_ = std::move(*found);
    return;
  }
  state_.collect_dir = collect_dir_.path();
  if (is_broken || is_of_another) {
    state_.base = Base::nothing;
    state_.trusts_cedar = false;
  }
}

/// The marker of the master is about the collect that wrote the indicator which stands there; where that was
/// removed since (by a purge), about the last one that was ours.
void CollectMemory::judge() {
  const auto stage = find_marker(collect_dir_, stage_indicator);
  const auto collect = find_marker(collect_dir_, collect_indicator);
  auto& published = state_.published;
  const bool is_ours =
      published && (collect ? collect->modified == published->modified && collect->inode == published->inode
                            : !collect_dir_.find(collect_indicator));
  is_of_others_ = collect && !is_ours;
  std::optional<std::int64_t> complete_at;
  if (is_ours) {
    complete_at = complete_at_ = published->modified;
  } else if (collect) {
    complete_at = collect->modified;
  }
  if (complete_at && says_staged(stage, *complete_at)) {
    staged_until_ = complete_at;
    if (is_ours) published->staged = stage->modified;
  } else if (is_ours && published->staged) {
    staged_until_ = complete_at;
  }
}

/// Can be repeated after a crash: what was made before bears the id of the collect, too. A crash may also
/// have come when half of its digests had begun to wait.
void CollectMemory::make_confirmed(const std::string& id) {
  for (const std::string& file : working_.list()) {
    const auto digest = unconfirmed_digest(file);
    if (digest && collect_of_digest(working_, file) == id)
      rename_within(working_, file, confirmed_digest_name(digest->archive));
  }
  if (state_.base == Base::confirmed) return;
  // All was collected, so whatever says something older is about items that are no more.
  for (const std::string& file : working_.list()) {
    if (!archive_of_confirmed_digest(file)) continue;
    const std::string collect = collect_of_digest(working_, file);
    if (!collect.empty() && collect != id) working_.unlink(file);
  }
  state_.base = Base::confirmed;
}

/// Can be repeated likewise.
void CollectMemory::let_wait(const std::string& id) const {
  for (const std::string& file : working_.list()) {
    const auto digest = unconfirmed_digest(file);
    if (digest && digest->kind == Unconfirmed::pending && collect_of_digest(working_, file) == id)
      rename_within(working_, file, waiting_digest_name(digest->archive));
  }
}

/// What neither waits nor is confirmed.
void CollectMemory::forget_others() const {
  for (const std::string& file : working_.list()) {
    const auto digest = unconfirmed_digest(file);
    if (!digest) continue;
    const bool waits = digest->kind == Unconfirmed::waiting && state_.waiting &&
                       collect_of_digest(working_, file) == state_.waiting->id;
    if (!waits) working_.unlink(file);
  }
}

/// Whether the collect after the waiting one may have been staged into the same day, over its archives: then
/// what those held counts no more.
bool CollectMemory::is_over_waiting_one() const {
  if (is_of_others_) return true;
  const auto& published = state_.published;
  return published &&
         !is_of_earlier_day(state_.waiting->staged, published->staged.value_or(published->modified));
}

void CollectMemory::settle_waiting(std::chrono::system_clock::time_point now) {
  if (!state_.waiting) return;
  if (is_over_waiting_one()) {
    state_.waiting.reset();
  } else if (is_of_earlier_day(state_.waiting->staged, now)) {
    make_confirmed(state_.waiting->id);
    state_.waiting.reset();
  }
}

void CollectMemory::settle_published(Base base, std::chrono::system_clock::time_point now) {
  const auto published = std::exchange(state_.published, std::nullopt);
  if (!published || !published->staged) return;
  if (is_of_earlier_day(*published->staged, now)) {
    make_confirmed(published->id);
  } else if (base == Base::confirmed) {
    let_wait(published->id);
    state_.waiting = CollectState::Waiting{published->id, *published->staged};
  }
}

void CollectMemory::note_staged() {
  if (state_.published && state_.published->staged) write_collect_state(working_, owner_, state_);
}

void CollectMemory::begin(Base base, std::chrono::system_clock::time_point now) {
  settle_waiting(now);
  settle_published(base, now);
  working_.sync();
  if (base == Base::nothing) {
    state_.base = Base::nothing;
    state_.trusts_cedar = false;
    // Confirmed later, it would end what begins anew now.
    state_.waiting.reset();
  }
  write_collect_state(working_, owner_, state_);
  forget_others();
}

bool CollectMemory::knows_staged(const struct stat& status) const {
  return staged_until_ && FileStamp::of(status).modified <= *staged_until_;
}

bool CollectMemory::knows_archive(const std::string& name, const struct stat& status) const {
  return !is_of_others_ && std::ranges::find(archives_before_, name) != archives_before_.end() &&
         (!complete_at_ || FileStamp::of(status).modified <= *complete_at_);
}

Digest CollectMemory::base(const std::string& archive, bool cedars_is_unstaged) {
  if (state_.base == Base::nothing) return {};
  try {
    if (auto own = read_digest(working_, confirmed_digest_name(archive))) return std::move(*own);
  } catch (const PeerError& error) {
    warn(std::string(error.what()) + "; all of it is collected");
    return {};
  }
  if (!state_.trusts_cedar) return {};
  auto cedar = cedar_digest(archive);
  if (cedar && cedars_is_unstaged) {
    state_.trusts_cedar = false;
    observer_.event(EventLevel::info, "the digest " + working_.shown(archive + ".sha") +
                                          " is not used: what Cedar Backup collected last is not known to "
                                          "be staged");
    return {};
  }
  return cedar ? std::move(*cedar) : Digest();
}

std::optional<Digest> CollectMemory::cedar_digest(const std::string& archive) const {
  const std::string name = archive + ".sha";
  const std::string shown = working_.shown(name);
  const Descriptor file = working_.open_file(name, O_RDONLY);
  if (!file && errno == ENOENT) return std::nullopt;
  try {
    if (!file) throw system_error("cannot read " + shown, errno);
    Digest digest;
    const auto fault = read_cedar_digest(
        staging::read_whole(file.get(), longest_cedar_digest, shown),
        [&digest](const std::string& path, const ContentSum& sum) { digest.add(path, {.sum = sum}); });
    if (fault) throw PeerError(FailureKind::permanent, "cannot use " + shown + ": " + *fault);
    digest.index();
    observer_.event(EventLevel::info, "starting from the digest of Cedar Backup, " + shown);
    return digest;
  } catch (const PeerError& error) {
    warn(std::string(error.what()) + "; all of it is collected");
    return std::nullopt;
  }
}

void CollectMemory::begin_pending(const std::string& archive, std::optional<DigestWriter>& writer) const {
  writer.emplace(working_, archive, owner_, id_);
}

void CollectMemory::end(std::vector<std::string> archives, const std::optional<Marker>& marker) {
  state_.archives = std::move(archives);
  if (marker) state_.published = CollectState::Published{id_, marker->modified, marker->inode};
  write_collect_state(working_, owner_, state_);
}

}  // namespace peerstage::peers::collect
