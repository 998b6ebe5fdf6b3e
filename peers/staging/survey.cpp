#include "peers/staging/survey.h"

#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::size_t deepest = 64;
constexpr std::size_t most_at_a_time = 256;  // directories, whose entries are in memory twice for a moment

struct Unlisted {
  std::optional<RelativePath> path;  // absent: the top
  std::size_t depth = 0;
};

class Surveyor {
 public:
  Surveyor(Connection& connection, const std::string& collect_dir, const SurveyRules& rules)
      : connection_(connection), collect_dir_(collect_dir), rules_(rules) {}

  Survey look() {
    unlisted_.push_back({std::nullopt, 0});
    while (!unlisted_.empty()) list_next();
    std::sort(survey_.files.begin(), survey_.files.end(), by_path);
    std::sort(survey_.directories.begin(), survey_.directories.end(), by_path);
    std::sort(survey_.skipped.begin(), survey_.skipped.end(),
              [](const auto& left, const auto& right) { return left.name < right.name; });
    return std::move(survey_);
  }

 private:
  static constexpr auto by_path = [](const auto& left, const auto& right) { return left.path < right.path; };

  void list_next() {
    const std::size_t count = std::min(unlisted_.size(), most_at_a_time);
    const std::vector<Unlisted> directories(unlisted_.begin(),
                                            unlisted_.begin() + static_cast<std::ptrdiff_t>(count));
    unlisted_.erase(unlisted_.begin(), unlisted_.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<std::string> paths;
    paths.reserve(count);
    for (const Unlisted& directory : directories)
      paths.push_back(directory.path ? path_on_peer(collect_dir_, *directory.path) : collect_dir_);
    const auto listed = connection_.list_all(paths, limits_);
    for (std::size_t i = 0; i < count; ++i) take_entries(directories[i], paths[i], listed[i]);
  }

  void take_entries(const Unlisted& directory, const std::string& where,
                    const std::vector<ListedEntry>& entries) {
    refuse_duplicates(where, entries);
    for (const ListedEntry& entry : entries) {
      const EntryName name(entry.name);
      count(entry);
      take(directory, name, entry.info);
    }
  }

  static void refuse_duplicates(const std::string& where, const std::vector<ListedEntry>& entries) {
    std::vector<std::string_view> names;
    names.reserve(entries.size());
    for (const ListedEntry& entry : entries) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return;
    throw PeerError(FailureKind::hostile, "the listing of " + printable(where) + " has the name \"" +
                                              printable(*twice, 300) + "\" twice");
  }

  /// The limits are those of the whole collect directory: what one listing used, the next ones cannot.
  void count(const ListedEntry& entry) {
    if (limits_.entries == 0 || limits_.name_bytes < entry.name.size()) {
      throw PeerError(FailureKind::hostile, "the collect directory " + printable(collect_dir_) +
                                                " has more entries than can be staged, a million in all");
    }
    --limits_.entries;
    limits_.name_bytes -= entry.name.size();
  }

  void take(const Unlisted& directory, const EntryName& name, const FileInfo& info) {
    const bool at_top = !directory.path;
    if (at_top && name.bytes() == stage_indicator) return;
    const RelativePath path = at_top ? RelativePath(name) : directory.path->child(name);
    const bool is_manifest = at_top && name.bytes() == manifest_name;
    switch (info.type) {
      case FileType::regular:
        if (is_manifest) {
          survey_.manifest = file(path, info);
        } else {
          survey_.files.push_back(file(path, info));
        }
        break;
      case FileType::directory:
        refuse_if(is_manifest, path, "directory");
        take_directory(path, directory.depth + 1, info);
        break;
      default:
        refuse_if(is_manifest || rules_.special_files == config::SpecialFiles::fail, path,
                  to_string(info.type));
        survey_.skipped.push_back({path.bytes(), to_string(info.type)});
    }
  }

  void take_directory(const RelativePath& path, std::size_t depth, const FileInfo& info) {
    refuse_if(rules_.subdirectories == config::Subdirectories::fail, path, "directory");
    if (rules_.subdirectories == config::Subdirectories::skip) {
      survey_.skipped.push_back({path.bytes(), "directory"});
      return;
    }
    if (depth > deepest) {
      throw PeerError(FailureKind::hostile, "the directories below " + printable(collect_dir_) +
                                                " are nested deeper than " + std::to_string(deepest) +
                                                " levels at " + printable(path.bytes(), 300));
    }
    survey_.directories.push_back({path, info.permissions.value_or(0700)});
    unlisted_.push_back({path, depth});
  }

  SourceFile file(const RelativePath& path, const FileInfo& info) const {
    if (!info.size || !info.permissions || !info.modified) {
      throw PeerError(FailureKind::permanent, "the peer does not tell size, mode and time of " +
                                                  printable(path_on_peer(collect_dir_, path)));
    }
    return {path, *info.size, *info.modified, *info.permissions};
  }

  void refuse_if(bool refused, const RelativePath& path, const std::string& type) const {
    if (!refused) return;
    throw PeerError(FailureKind::permanent,
                    printable(path_on_peer(collect_dir_, path)) +
                        " cannot be staged: it is no regular file but of this kind: " + type +
                        "; remove it from the collect directory");
  }

  Connection& connection_;
  const std::string& collect_dir_;
  const SurveyRules rules_;
  ListLimits limits_;
  std::deque<Unlisted> unlisted_;
  Survey survey_;
};

}  // namespace

std::uint64_t Survey::bytes() const {
  std::uint64_t sum = 0;
  for (const SourceFile& file : files) sum += file.size;
  return sum;
}

bool Survey::has_file(const std::string& path) const {
  const auto place = std::lower_bound(
      files.begin(), files.end(), path,
      [](const SourceFile& file, const std::string& wanted) { return file.path.bytes() < wanted; });
  return place != files.end() && place->path.bytes() == path;
}

Survey survey(Connection& connection, const std::string& collect_dir, const SurveyRules& rules) {
  return Surveyor(connection, collect_dir, rules).look();
}

std::string path_on_peer(const std::string& collect_dir, const RelativePath& path) {
  return collect_dir + (collect_dir.ends_with('/') ? "" : "/") + path.bytes();
}

}  // namespace peerstage::peers::staging
