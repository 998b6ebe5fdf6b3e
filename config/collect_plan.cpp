#include "config/collect_plan.h"

namespace peerstage::config {
namespace {

/// As Python's os.path.join: an absolute second part stands for itself.
std::string joined(const std::string& directory, const std::string& relative) {
  if (relative.starts_with('/')) return relative;
  return directory.ends_with('/') ? directory + relative : directory + "/" + relative;
}

template <typename Value>
void append(std::vector<Value>& to, const std::vector<Value>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

class CollectPlanner {
 public:
  CollectPlanner(const Collect& section, const PeerstageSection::Collect& own)
      : section_(section), own_(own) {}

  std::vector<CollectItem> items() const {
    std::vector<CollectItem> result;
    for (const CollectFile& file : section_.files) {
      result.push_back(item(CollectItem::Type::file, file.abs_path, file.collect_mode, file.archive_mode));
    }
    for (const CollectDirectory& directory : section_.directories) result.push_back(item(directory));
    return result;
  }

 private:
  CollectItem item(CollectItem::Type type, const std::string& path,
                   const std::optional<CollectMode>& collect_mode,
                   const std::optional<ArchiveMode>& archive_mode) const {
    CollectItem result;
    result.type = type;
    result.path = path;
    result.collect_mode = collect_mode ? *collect_mode : section_.collect_mode.value_or(result.collect_mode);
    result.archive_mode = archive_mode ? *archive_mode : section_.archive_mode.value_or(result.archive_mode);
    if (own_.archive_mode) result.archive_mode = *own_.archive_mode;
    return result;
  }

  CollectItem item(const CollectDirectory& directory) const {
    CollectItem result = item(CollectItem::Type::directory, directory.abs_path, directory.collect_mode,
                              directory.archive_mode);
    result.ignore_file = directory.ignore_file ? *directory.ignore_file : section_.ignore_file.value_or("");
    result.link_depth = directory.link_depth;
    result.dereference = directory.dereference;
    result.recursion_level = directory.recursion_level;
    append(result.excluded_paths, section_.exclude.abs_paths);
    append(result.excluded_paths, directory.exclude.abs_paths);
    for (const std::string& relative : directory.exclude.rel_paths) {
      result.excluded_paths.push_back(joined(directory.abs_path, relative));
    }
    append(result.excluded_patterns, section_.exclude.patterns);
    append(result.excluded_patterns, directory.exclude.patterns);
    return result;
  }

  const Collect& section_;
  const PeerstageSection::Collect& own_;
};

}  // namespace

std::optional<CollectPlan> plan_collect(const Config& config) {
  if (!config.collect) return std::nullopt;
  const PeerstageSection::Collect& own = config.peerstage.collect;
  CollectPlan plan;
  plan.collect_dir = config.collect->collect_dir;
  plan.working_dir = config.options.working_dir;
  plan.backup_user = config.options.backup_user;
  plan.backup_group = config.options.backup_group;
  plan.starting_day = config.options.starting_day;
  plan.content = own.content;
  plan.incomplete = own.incomplete;
  plan.items = CollectPlanner(*config.collect, own).items();
  return plan;
}

}  // namespace peerstage::config
