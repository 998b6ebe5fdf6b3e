#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "peers/purge/purge.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::purge {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using std::chrono::system_clock;

inline constexpr auto day = std::chrono::hours(24);

inline timespec as_timespec(system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.time_since_epoch().count(), std::chrono::nanoseconds(time - seconds).count()};
}

/// The times of the thing itself, not of what a link points to.
inline void set_times(const std::string& path, system_clock::time_point accessed,
                      system_clock::time_point modified) {
  const timespec times[2] = {as_timespec(accessed), as_timespec(modified)};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
    throw std::system_error(errno, std::generic_category(), path);
}

class PurgeObserver final : public Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel level, const std::string& text) override {
    (level == EventLevel::info ? removals : level == EventLevel::warning ? warnings : errors).push_back(text);
    if (on_event) on_event(text);
  }

  std::vector<std::string> removals, warnings, errors;
  std::function<void(const std::string&)> on_event;
};

/// A tree that is purged at a moment of the test's own.
class PurgeTest : public ::testing::Test {
 protected:
  const test::TemporaryDirectory temporary;
  const std::string top = temporary / "top";
  /// Far ahead, so that a test that says nothing about times has things a hundred days old.
  const system_clock::time_point now =
      std::chrono::floor<std::chrono::seconds>(system_clock::now()) + 100 * day;
  PurgeObserver observer;
  PurgeOptions options;

  PurgeTest() {
    fs::create_directory(top);
    options.now = now;
  }

  /// Everything below `top`, relative to it.
  std::set<std::string> tree() const { return tree_of(top); }
  static std::set<std::string> tree_of(const std::string& root) {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root))
      names.insert(fs::relative(entry.path().parent_path(), root) == "."
                       ? entry.path().filename().string()
                       : (fs::relative(entry.path().parent_path(), root) / entry.path().filename()).string());
    return names;
  }

  std::string file(const std::string& name, system_clock::duration age,
                   const std::string& content = "x") const {
    const std::string path = temporary.write("top/" + name, content);
    set_age(path, age);
    return path;
  }
  std::string directory(const std::string& name, system_clock::duration age) const {
    const std::string path = top + "/" + name;
    fs::create_directories(path);
    set_age(path, age);
    return path;
  }
  void set_age(const std::string& path, system_clock::duration age) const {
    set_times(path, now - age, now - age);
  }

  PurgeReport run(std::int64_t retain_days) { return run({{top, retain_days}}); }
  PurgeReport run(const std::vector<config::PurgeDirectory>& directories) {
    options.directories = directories;
    return purge(options, observer);
  }
};

}  // namespace peerstage::peers::purge
