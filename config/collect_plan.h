#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/finding.h"

/// What the collect action needs to know, with every inheritance resolved.
namespace peerstage::config {

struct CollectItem {
  enum class Type { file, directory };
  Type type = Type::file;
  std::string path;
  CollectMode collect_mode = CollectMode::daily;
  ArchiveMode archive_mode = ArchiveMode::targz;
  // Of directories only:
  std::string ignore_file;  ///< empty: none
  std::int64_t link_depth = 0;
  bool dereference = false;
  std::int64_t recursion_level = 0;
  std::vector<std::string> excluded_paths;     ///< whole absolute paths
  std::vector<std::string> excluded_patterns;  ///< Python regular expressions, see python_pattern.h
};

struct CollectPlan {
  std::string collect_dir;
  std::string working_dir;  ///< where the state of incremental items is
  std::string backup_user, backup_group;
  Day starting_day = Day::monday;
  ArchiveContent content = ArchiveContent::whole;
  IncompleteCollect incomplete = IncompleteCollect::withhold;
  std::vector<CollectItem>
      items;  ///< files first, then directories, each in the order of the file, as Cedar does
};

/// Resolves the collect action; absent when the configuration has no collect section. A plan may be without
/// items.
std::optional<CollectPlan> plan_collect(const Config& config);

}  // namespace peerstage::config
