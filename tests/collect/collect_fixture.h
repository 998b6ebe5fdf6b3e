#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/collect_plan.h"
#include "peers/collect/collect.h"
#include "peers/observer.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::collect {

/// Keeps what it was told.
class KeptEvents final : public Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel level, const std::string& text) override {
    if (level != EventLevel::debug) texts.push_back(text);
  }
  bool has(const std::string& words) const;

  std::vector<std::string> texts;
};

/// Empty: what sha256sum reads in a collect directory is what the manifest there says.
std::string manifest_check(const std::filesystem::path& collect_dir);

/// A machine that collects: DIR/data is its data, DIR/collect its collect directory, and a day passes when it
/// is told to.
class CollectTest : public testing::Test {
 protected:
  CollectTest();

  std::filesystem::path data(const std::string& name = "") const;
  std::filesystem::path in_collect(const std::string& name) const;
  std::filesystem::path in_working(const std::string& name) const;
  void write(const std::string& name, const std::string& content) const;

  /// An item for DIR/data/name.
  config::CollectItem& add(const std::string& name, config::CollectMode mode = config::CollectMode::daily);

  CollectReport collect();
  CollectReport collect_whole();  ///< and expects that all went well
  /// As a master does it: writes cback.stage, surely later than all that stands there.
  void stage() const;
  /// The collects from now on are of the next day.
  void next_day();

  /// {name without the directory of the data: content} of the files of an archive; empty: there is none.
  std::map<std::string, std::string> files_of(const std::string& archive) const;
  std::vector<std::string> names_of(const std::string& archive) const;  ///< of all its members
  bool stands(const std::string& name) const { return std::filesystem::exists(in_collect(name)); }
  /// The name of the archive of DIR/data/name.
  std::string archive_of(const std::string& name, const std::string& ending = ".tar") const;

  test::TemporaryDirectory directory_;
  config::CollectPlan plan_;
  CollectOptions options_;
  KeptEvents events_;
  std::chrono::hours ahead_{0};
};

}  // namespace peerstage::peers::collect
