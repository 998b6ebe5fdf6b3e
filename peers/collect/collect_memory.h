#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "peers/collect/collect_state.h"
#include "peers/collect/digest.h"
#include "peers/collect/markers.h"
#include "peers/observer.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::collect {

/// What is known of the collects before: which of them a master has staged, and what incremental items start
/// from for it. Two phases: a collect writes pending digests; the next one makes them the confirmed ones if a
/// master says that it has staged that collect, and forgets them otherwise.
///
/// Throws PeerError where the working directory cannot be written. Broken files are warnings, and lead to
/// more being collected than need be, never less.
class CollectMemory {
 public:
  /// All references have to outlive it. Reads what is there and changes nothing.
  CollectMemory(const staging::Directory& collect_dir, const staging::Directory& working,
                const std::optional<staging::Ownership>& owner, Observer& observer);

  /// Writes down that the last collect is staged, if it is, for the time when its markers are gone.
  void note_staged();

  /// Before a collect changes anything: makes the waiting and the pending digests the confirmed ones, lets
  /// the pending ones wait, or forgets them. Durable when it returns. `base` is `nothing` for a collect of
  /// all.
  ///
  /// What was staged on the day of `now` (local) is not confirmed yet: this collect may be staged into the
  /// same day of the master, over the archives of the last one, and has to hold what they hold. It waits for
  /// the end of the day, one collect at a time: a later one that was staged on the same day takes its place.
  void begin(Base base, std::chrono::system_clock::time_point now);

  /// Whether a file of the collect directory, as it was before this collect, is at a master.
  bool knows_staged(const struct stat& status) const;
  /// Archives that earlier collects left in the collect directory.
  const std::vector<std::string>& archives_before() const { return archives_before_; }

  /// Whether a file of the collect directory, as it was before this collect, is an archive of ours.
  bool knows_archive(const std::string& name, const struct stat& status) const;

  /// What an incremental item is compared with. `cedars_is_unstaged`: an archive of this name stands in the
  /// collect directory that is not ours and not known to be staged; the digest that Cedar Backup has written
  /// with it counts for nothing then, from now on.
  Digest base(const std::string& archive, bool cedars_is_unstaged);
  /// Begins the digest of what is collected now.
  void begin_pending(const std::string& archive, std::optional<DigestWriter>& writer) const;

  /// Remembers the archives that stand in the collect directory now, and the marker, if it was written.
  void end(std::vector<std::string> archives, const std::optional<Marker>& marker);

 private:
  void read_state();
  void judge();
  bool is_over_waiting_one() const;
  void settle_waiting(std::chrono::system_clock::time_point now);
  void settle_published(Base base, std::chrono::system_clock::time_point now);
  void make_confirmed(const std::string& id);
  void let_wait(const std::string& id) const;
  void forget_others() const;
  std::optional<Digest> cedar_digest(const std::string& archive) const;
  void warn(const std::string& text) const { observer_.event(EventLevel::warning, text); }

  const staging::Directory& collect_dir_;
  const staging::Directory& working_;
  const std::optional<staging::Ownership>& owner_;
  Observer& observer_;
  CollectState state_;
  std::vector<std::string> archives_before_;
  bool is_of_others_ = false;                 ///< the indicator that stands there
  std::optional<std::int64_t> complete_at_;   ///< when the last collect of ours was
  std::optional<std::int64_t> staged_until_;  ///< files modified until then are at a master
  std::string id_;                            ///< of this collect
};

}  // namespace peerstage::peers::collect
