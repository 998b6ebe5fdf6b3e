#pragma once

#include <cstdint>
#include <ctime>
#include <map>
#include <set>
#include <string>

#include <sys/stat.h>

#include "peers/observer.h"
#include "peers/purge/landmarks.h"
#include "peers/purge/purge.h"
#include "peers/staging/directory.h"

namespace peerstage::peers::purge {

/// Somebody said that it is enough.
struct PurgeCancelled {};

/// The purge of one configured directory.
class TreePurge {
 public:
  /// Everything must outlive it.
  TreePurge(const PurgeOptions& options, const Landmarks& landmarks, Observer& observer,
            DirectoryReport& report);

  /// Failures go into the report. Throws PurgeCancelled; the report holds what was done until then.
  void run();

 private:
  /// What a directory has when it was gone through.
  struct Content {
    std::uint64_t remaining = 0;  ///< entries that stay
    std::uint64_t gone = 0;       ///< entries that were removed
    /// Something that is no directory stays here or further below.
    bool has_files = false;
  };
  /// The directory whose entries are looked at.
  struct Here {
    const staging::Directory& directory;
    Position position;
    unsigned depth = 0;
  };
  /// An entry of it.
  struct Entry {
    const Here& here;
    const std::string& name;
    struct stat status;
  };
  enum class Fate { gone, stays, stays_unseen /* and may hold anything */ };

  void go_through();
  Content empty(const Here& here);
  void visit(const Here& here, const std::string& name, Content& content);
  void visit_manifest(const Here& here, Content& content);
  void visit_indicators(const Here& here, Content& content);
  Fate judge(const Here& here, const std::string& name);
  Fate judge_file(const Entry& entry);
  Fate judge_directory(const Entry& entry);
  Fate judge_content(const Entry& entry, const staging::Directory& directory);
  bool is_spared(const Entry& entry, const Content& content) const;
  void remove_file(const Entry& entry);
  void remove_manifest_before(const Entry& entry);
  bool remove_directory(const Entry& entry);
  void count(const Entry& entry);
  void tell(const Removal& removal);
  void tell_of_unstaged();
  void fail(const std::string& sentence);
  void leave_alone(const Entry& entry, const std::string& why);
  bool is_old(const timespec& then) const;

  const PurgeOptions& options_;
  const Landmarks& landmarks_;
  Observer& observer_;
  DirectoryReport& report_;
  timespec now_;
  dev_t device_ = 0;
  std::map<const CollectPlace*, std::uint64_t> unstaged_;
  std::set<const CollectPlace*> without_manifest_;  ///< since we removed it, or in a dry run would have
};

}  // namespace peerstage::peers::purge
