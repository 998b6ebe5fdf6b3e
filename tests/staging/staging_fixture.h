#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "peers/observer.h"
#include "peers/staging/stage.h"
#include "peers/staging/staging_area.h"
#include "tests/support/fake_connection.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::staging {

/// A whole tree as one value: path to "directory", "-> target" or the content, each after the mode, e.g. "644
/// text".
using Tree = std::map<std::string, std::string>;
Tree tree_of(const std::string& path);
/// The same with inode, mtime and ctime of everything and the atime of files, to see that nothing was
/// touched.
Tree traces_of(const std::string& path);
/// tree_of without the sums, which have a test of their own.
Tree without_manifest(Tree tree);

using test::read_text;
using test::write_file;
bool exists(const std::string& path);

class RecordingObserver final : public Observer {
 public:
  void planned(std::uint64_t files, std::uint64_t bytes) override { planned_work = {files, bytes}; }
  void progress(std::uint64_t files, std::uint64_t bytes) override { last_progress = {files, bytes}; }
  void skipped(const std::string& name, const std::string& reason) override { left_out[name] = reason; }
  void file(const StagedFile& file) override {
    told[file.path] = {file.size, file.sum.hex(), file.modified.count(), file.fetched_on};
  }
  void event(EventLevel, const std::string& text) override { events.push_back(text); }

  struct ToldFile {
    std::uint64_t size = 0;
    std::string sum;
    std::int64_t modified = 0;  ///< ns since the epoch
    std::optional<Date> fetched_on = std::nullopt;
    bool operator==(const ToldFile&) const = default;
  };
  std::map<std::string, ToldFile> told;

  std::pair<std::uint64_t, std::uint64_t> planned_work, last_progress;
  std::map<std::string, std::string> left_out;
  std::vector<std::string> events;
};

inline constexpr Date today{std::chrono::year(2026), std::chrono::month(11), std::chrono::day(20)};

/// One peer, "web1", with a collect directory in memory, and a staging directory on the disk.
class StagingFixture : public ::testing::Test {
 protected:
  StagingFixture();

  /// Opens the area as a run does, stages and closes the day.
  StagedTree stage();
  /// The same, expecting a failure; returns it.
  Failure failure();

  std::string day() const { return staging_dir + "/2026/11/20"; }
  std::string peer_day() const { return day() + "/web1"; }
  std::string spool() const { return staging_dir + "/.peerstage/web1"; }

  test::TemporaryDirectory temporary;
  std::string staging_dir;
  FakeConnection peer;
  StageOptions options;
  RecordingObserver observer;
};

}  // namespace peerstage::peers::staging
