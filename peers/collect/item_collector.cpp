#include "peers/collect/item_collector.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/collect/exclusions.h"
#include "peers/collect/increment.h"
#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/staging/hash.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

using config::CollectItem;

constexpr std::size_t listed_warnings = 100;

void warn(ItemReport& report, Observer& observer, const std::string& sentence) {
  observer.event(EventLevel::warning, sentence);
  if (report.warnings.size() < listed_warnings) {
    report.warnings.push_back(sentence);
  } else {
    ++report.more_warnings;
  }
}

bool is_below(const std::string& path, const std::string& directory) {
  if (!path.starts_with(directory)) return false;
  return directory.ends_with('/') || (path.size() > directory.size() && path[directory.size()] == '/');
}

bool is_gone(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) != 0 && errno == ENOENT;
}

/// No master takes a file whose name has control characters: C0, DEL, and C1 as UTF-8 writes it.
std::string without_control_characters(std::string name) {
  const auto byte = [&name](std::size_t at) { return static_cast<unsigned char>(name[at]); };
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (byte(at) == 0xC2 && at + 1 < name.size() && byte(at + 1) >= 0x80 && byte(at + 1) < 0xA0)
      name.replace(at, 2, "_");
    if (byte(at) < 0x20 || byte(at) == 0x7F) name[at] = '_';
  }
  return name;
}

/// A name of 255 bytes is as long as file systems have it. Endings of archives and of digests have to fit,
/// and the number of a second archive of the same name.
constexpr std::size_t longest_name = 230;
constexpr std::size_t kept_of_longer = 200;

std::size_t begin_of_character(const std::string& text, std::size_t at) {
  const std::size_t first = at - 3;
  for (std::size_t begin = at; begin >= first; --begin)
    if ((static_cast<unsigned char>(text[begin]) & 0xC0U) != 0x80U) return begin;
  return at;  // no UTF-8
}

/// The sum of the path keeps apart what begins alike, and is the same at every collect.
std::string shortened(const std::string& name, const std::string& path) {
  if (name.size() <= longest_name) return name;
  staging::Sha256 sum;
  sum.add(path);
  return name.substr(0, begin_of_character(name, kept_of_longer)) + "-" + sum.finish().hex().substr(0, 16);
}

/// Puts what a walk finds into one archive.
class ArchiveFiller final : public TreeReceiver {
 public:
  /// Without an increment, everything goes in.
  ArchiveFiller(CollectRun& run, Archive& archive, Increment* increment, ItemReport& report)
      : run_(run), archive_(archive), increment_(increment), report_(report) {}

  void entry(const TreeEntry& entry) override {
    run_.refuse_if_cancelled();
    const auto now = run_.options.now();
    leave_directories_for(entry.path);
    bool is_known = false;
    try {
      is_known = increment_ != nullptr && increment_->is_known(entry, now);
    } catch (const PeerError& error) {
      if (is_gone(entry.path)) return;
      return incomplete(error.what());
    }
    if (is_known && !S_ISDIR(entry.status.st_mode)) return;
    if (is_known) return hold(entry);
    add_held();
    add(entry, now);
    if (increment_ != nullptr && S_ISDIR(entry.status.st_mode)) way_.push_back({entry, State::added});
  }

  void skipped(const std::string& path, const std::string& reason) override {
    run_.observer.event(EventLevel::debug, "left out: " + printable(path) + " (" + reason + ")");
  }

  void failed(const std::string& /*path*/, const std::string& sentence) override { incomplete(sentence); }

 private:
  enum class State { held, added };
  /// A directory on the way down. One that has not changed goes in with the first thing below it that has.
  struct Passed {
    TreeEntry directory;
    State state;
  };

  void leave_directories_for(const std::string& path) {
    while (!way_.empty() && !is_below(path, way_.back().directory.path)) way_.pop_back();
  }

  void hold(TreeEntry directory) {
    directory.directory = -1;  // the descriptors are not ours
    directory.opened = -1;
    way_.push_back({std::move(directory), State::held});
  }

  void add_held() {
    for (Passed& passed : way_) {
      if (passed.state == State::added) continue;
      passed.state = State::added;
      archive(passed.directory);
    }
  }

  void add(const TreeEntry& entry, std::chrono::system_clock::time_point now) {
    const Archived result = archive(entry);
    if (increment_ != nullptr && result.outcome == Archived::Outcome::whole)
      increment_->archived(entry, result.sum, now);
  }

  Archived archive(const TreeEntry& entry) {
    Archived result = archive_.add(entry);
    switch (result.outcome) {
      case Archived::Outcome::unreadable:
        incomplete(result.sentence);
        break;
      case Archived::Outcome::vanished:
        run_.observer.event(EventLevel::debug, result.sentence);
        break;
      case Archived::Outcome::changed:
        warn(report_, run_.observer, result.sentence);
        count(entry);
        break;
      case Archived::Outcome::whole:
        count(entry);
        break;
    }
    return result;
  }

  void count(const TreeEntry& entry) {
    if (S_ISDIR(entry.status.st_mode)) return;
    const std::uint64_t size =
        S_ISREG(entry.status.st_mode) ? static_cast<std::uint64_t>(entry.status.st_size) : 0;
    ++report_.files;
    report_.bytes += size;
    run_.observer.progress(++run_.files, run_.bytes += size);
  }

  void incomplete(const std::string& sentence) {
    report_.status = ItemReport::Status::incomplete;
    warn(report_, run_.observer, sentence);
  }

  CollectRun& run_;
  Archive& archive_;
  Increment* increment_;
  ItemReport& report_;
  std::vector<Passed> way_;
};

/// On its way up when a part is not there any more.
struct PartIsGone {};

/// Every ending that an archive of ours or of Cedar Backup may have.
constexpr std::array<config::ArchiveMode, 4> all_modes = {
    config::ArchiveMode::tar, config::ArchiveMode::targz, config::ArchiveMode::tarbz2,
    config::ArchiveMode::tarzst};

bool can_be_name(const staging::Directory& directory, const std::string& name) {
  const long longest = ::fpathconf(directory.descriptor(), _PC_NAME_MAX);
  return longest < 0 || name.size() <= static_cast<std::size_t>(longest);
}

bool is_unstaged_archive_of_others(const CollectRun& run, const std::string& name) {
  // Not every ending fits where that of this archive does.
  if (!can_be_name(run.collect_dir, name)) return false;
  const auto status = run.collect_dir.find(name);
  return status && S_ISREG(status->st_mode) && !run.memory.knows_staged(*status) &&
         !run.memory.knows_archive(name, *status);
}

bool cedars_is_unstaged(const CollectRun& run, const std::string& name) {
  return std::any_of(all_modes.begin(), all_modes.end(), [&](config::ArchiveMode mode) {
    return is_unstaged_archive_of_others(run, name + archive_ending(mode));
  });
}

class ItemCollector {
 public:
  ItemCollector(CollectRun& run, const CollectItem& item) : run_(run), item_(item) {}

  ItemReport run() {
    report_.path = item_.path;
    report_.status = ItemReport::Status::nothing_new;
    try {
      if (item_.type == CollectItem::Type::file) {
        collect_file();
      } else {
        collect_directory();
      }
    } catch (const PeerError& error) {
      report_.failure = error.what();
    }
    if (!report_.failure.empty()) report_.status = ItemReport::Status::failed;
    if (report_.status == ItemReport::Status::nothing_new && !report_.archives.empty())
      report_.status = ItemReport::Status::collected;
    return std::move(report_);
  }

 private:
  void collect_file() {
    TreeEntry entry{item_.path, {}};
    if (::lstat(item_.path.c_str(), &entry.status) != 0)
      throw system_error("cannot collect the file " + printable(item_.path), errno);
    if (!S_ISREG(entry.status.st_mode) && !S_ISLNK(entry.status.st_mode)) {
      throw PeerError(FailureKind::permanent, "cannot collect the file " + printable(item_.path) +
                                                  ": it is neither a regular file nor a link; a directory "
                                                  "belongs into a dir element");
    }
    fill(item_.path, [&entry](TreeReceiver& receiver) { receiver.entry(entry); });
  }

  void collect_directory() {
    TreeRules rules;
    rules.excludes = exclusion_rule(item_);
    rules.ignore_file = item_.ignore_file;
    rules.link_depth = item_.link_depth;
    rules.dereference = item_.dereference;
    rules.content = run_.plan.content;
    const Descriptor top(::open(item_.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const TreePart& part : split_tree(item_.path, item_.recursion_level, rules)) {
      TreeRules own = rules;
      const std::set<std::string> without(part.without.begin(), part.without.end());
      if (!without.empty()) {
        own.excludes = [&rules, &without](const std::string& path) {
          return without.contains(path) || rules.excludes(path);
        };
      }
      collect_part(top.get(), part.top, own);
    }
  }

  /// One part that cannot be collected does not stop the others; one that was removed meanwhile is no part.
  void collect_part(int item_top, const std::string& top, const TreeRules& rules) {
    try {
      fill(top, [&](TreeReceiver& receiver) {
        if (top == item_.path) return walk_tree(top, rules, receiver);
        if (!walk_part(item_top, below_item(top), top, rules, receiver)) throw PartIsGone{};
      });
    } catch (const PartIsGone&) {
      return;
    } catch (const PeerError& error) {
      if (top != item_.path && is_gone(top)) return;
      if (report_.failure.empty()) report_.failure = error.what();
    }
  }

  /// Relative to the item, of whose path trailing slashes are no part.
  std::string below_item(const std::string& part) const {
    const std::size_t length = item_.path.find_last_not_of('/') + 1;
    return part.substr(part.find_first_not_of('/', length));
  }

  template <typename Walk>
  void fill(const std::string& path, const Walk& walk) {
    const std::string name = free_name(path);
    Archive::Options options;
    options.mode = item_.archive_mode;
    options.content = run_.plan.content;
    options.owner = run_.options.owner;
    options.sum_contents = is_incremental();
    Archive archive(run_.collect_dir, name + archive_ending(item_.archive_mode), options);
    std::optional<Increment> increment;
    if (is_incremental()) {
      increment.emplace(run_.memory, name, cedars_is_unstaged(run_, name),
                        Increment::Rules{run_.plan.content, run_.options.settle_time});
    }
    ArchiveFiller filler(run_, archive, increment ? &*increment : nullptr, report_);
    walk(filler);
    if (!archive.empty()) publish(archive);
    if (!increment) return;
    if (const auto fault = increment->commit()) warn(report_, run_.observer, *fault);
  }

  bool is_incremental() const { return item_.collect_mode == config::CollectMode::incremental; }

  void publish(Archive& archive) {
    const Archive::Committed committed = archive.commit();
    run_.written.insert_or_assign(committed.name, committed.sum);
    report_.archives.push_back(committed.name);
  }

  /// The rule for names makes one name of several paths ("/a/b" and "/a-b"): the second gets a number, so
  /// that it does not replace the first. What is too long for a name is cut off.
  std::string free_name(const std::string& path) {
    const std::string full = without_control_characters(archive_name(path));
    const std::string wanted = shortened(full, path);
    if (wanted != full) {
      warn(report_, run_.observer,
           "the archive of " + printable(path) + " is called " + printable(wanted) +
               ": the name that it should have is too long for a file system");
    }
    std::string name = wanted;
    for (unsigned number = 2; !run_.names.insert(name).second; ++number)
      name = wanted + "-" + std::to_string(number);
    if (name != wanted) {
      warn(report_, run_.observer,
           "the archive of " + printable(path) + " is called " + printable(name) +
               ": another one of this collect is called " + printable(wanted) + " already");
    }
    return name;
  }

  CollectRun& run_;
  const CollectItem& item_;
  ItemReport report_;
};

bool is_due(const CollectItem& item, const CollectOptions& options) {
  return item.collect_mode != config::CollectMode::weekly || options.full || options.is_starting_day;
}

}  // namespace

ItemReport collect_item(CollectRun& run, const CollectItem& item) {
  if (is_due(item, run.options)) return ItemCollector(run, item).run();
  ItemReport report;
  report.path = item.path;
  report.status = ItemReport::Status::not_due;
  return report;
}

}  // namespace peerstage::peers::collect
