#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "daemon/catalog/catalog.h"
#include "daemon/schedule/zone.h"
#include "daemon/timeline.h"

namespace peerstage::daemon {

/// Knows the jobs and says when one is due. A slot of a job is dealt with once, whatever the clock does: set
/// back, it is not done again, set forward or slept through, all that was missed is one slot.
class JobBook {
 public:
  using Wall = Timeline::Wall;

  /// What the book needs of the world.
  struct Surroundings {
    std::function<Zone()> zone;  ///< in which the rules are read; asked each time, since it may change
    /// A job is to be run, for this slot.
    std::function<void(const config::Job&, Wall slot, RunTrigger)> due;
    /// Slots up to this one were missed and nothing is made up for them.
    std::function<void(const config::Job&, Wall slot)> missed;
    std::function<double()> random;  ///< in [0, 1)
  };

  JobBook(Timeline& timeline, Surroundings surroundings);

  /// The jobs from now on. `last_slots`: what is remembered of earlier; a job that stands neither there nor
  /// in the book begins now. What is due already is told from the loop, not from within.
  void set_jobs(std::vector<config::Job> jobs, const std::map<std::string, Wall>& last_slots);

  /// While paused nothing is due. Afterwards, what passed meanwhile counts as missed.
  void pause();
  void resume();

  const config::Job* find(const std::string& name) const;
  /// When it begins next, its random delay included; absent: paused, or never again.
  std::optional<Wall> next_run(const std::string& name) const;
  std::optional<Wall> last_slot(const std::string& name) const;
  std::vector<config::Job> jobs() const;

 private:
  struct Entry {
    config::Job job;
    Wall dealt_with;           ///< the last slot that was, or when the job was first seen
    bool ever = false;         ///< dealt_with is a slot
    std::optional<Wall> slot;  ///< the one that is waited for
    Wall begins;               ///< of it
    std::unique_ptr<Alarm> alarm;
  };

  void wait(Entry& entry);
  void look(Entry& entry);
  void deal_with(Entry& entry, Wall slot, Wall should_have_begun);
  const Entry* entry(const std::string& name) const;

  Timeline& timeline_;
  Surroundings surroundings_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
  bool paused_ = false;
};

}  // namespace peerstage::daemon
