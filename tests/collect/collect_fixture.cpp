#include "tests/collect/collect_fixture.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>

#include "peers/collect/tree.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::collect {
namespace {

std::string output_of(const std::string& command) {
  struct Close {
    void operator()(FILE* stream) const { ::pclose(stream); }
  };
  const std::unique_ptr<FILE, Close> stream(::popen(command.c_str(), "re"));
  std::string text;
  std::array<char, 4096> buffer{};
  for (std::size_t got = 1; got > 0;) {
    got = std::fread(buffer.data(), 1, buffer.size(), stream.get());
    text.append(buffer.data(), got);
  }
  return text;
}

std::string tar(const std::filesystem::path& archive, const std::string& what) {
  return output_of("tar --quoting-style=literal " + what + " -f '" + archive.string() + "' 2>&1");
}

}  // namespace

bool KeptEvents::has(const std::string& words) const {
  return std::any_of(texts.begin(), texts.end(),
                     [&words](const std::string& text) { return text.find(words) != std::string::npos; });
}

std::string manifest_check(const std::filesystem::path& collect_dir) {
  return output_of("cd '" + collect_dir.string() + "' && sha256sum --strict --quiet -c cback.sha256 2>&1");
}

CollectTest::CollectTest() {
  for (const char* name : {"data", "collect", "working"})
    std::filesystem::create_directory(directory_.path() / name);
  plan_.collect_dir = directory_ / "collect";
  plan_.working_dir = directory_ / "working";
  options_.settle_time = std::chrono::seconds(0);
  options_.now = [this] { return std::chrono::system_clock::now() + ahead_; };
}

std::filesystem::path CollectTest::data(const std::string& name) const {
  return directory_.path() / "data" / name;
}
std::filesystem::path CollectTest::in_collect(const std::string& name) const {
  return directory_.path() / "collect" / name;
}
std::filesystem::path CollectTest::in_working(const std::string& name) const {
  return directory_.path() / "working" / name;
}

void CollectTest::write(const std::string& name, const std::string& content) const {
  test::write_file(data(name), content);
}

config::CollectItem& CollectTest::add(const std::string& name, config::CollectMode mode) {
  config::CollectItem item;
  item.type = config::CollectItem::Type::directory;
  item.path = data(name);
  item.collect_mode = mode;
  item.archive_mode = config::ArchiveMode::tar;
  return plan_.items.emplace_back(item);
}

CollectReport CollectTest::collect() {
  return collect::collect(plan_, options_, events_);
}

CollectReport CollectTest::collect_whole() {
  CollectReport report = collect();
  EXPECT_EQ(report.error, std::nullopt);
  EXPECT_TRUE(report.marked);
  EXPECT_FALSE(report.cancelled);
  for (const ItemReport& item : report.items) {
    EXPECT_EQ(item.failure, "") << item.path;
    EXPECT_TRUE(item.warnings.empty()) << item.warnings.front();
  }
  return report;
}

void CollectTest::stage() const {
  struct stat collected {};
  ASSERT_EQ(::stat(in_collect("cback.collect").c_str(), &collected), 0) << "nothing is ready";
  // The clock of the file system ticks slowly: only a marker of a later tick counts.
  for (struct stat marker{};;) {
    test::write_file(in_collect("cback.stage"), "");
    ASSERT_EQ(::stat(in_collect("cback.stage").c_str(), &marker), 0);
    if (marker.st_mtim.tv_sec != collected.st_mtim.tv_sec ||
        marker.st_mtim.tv_nsec != collected.st_mtim.tv_nsec)
      return;
  }
}

void CollectTest::next_day() {
  ahead_ += std::chrono::hours(24);
}

std::string CollectTest::archive_of(const std::string& name, const std::string& ending) const {
  return archive_name(data(name)) + ending;
}

std::vector<std::string> CollectTest::names_of(const std::string& archive) const {
  std::vector<std::string> names;
  const std::string before = data().string().substr(1);
  std::string text = tar(in_collect(archive), "-t");
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    std::string name = text.substr(0, end);
    text.erase(0, end + 1);
    if (name.starts_with(before)) name.erase(0, before.size());
    names.push_back(name);
  }
  return names;
}

std::map<std::string, std::string> CollectTest::files_of(const std::string& archive) const {
  std::map<std::string, std::string> files;
  if (!stands(archive)) return files;
  for (const std::string& name : names_of(archive)) {
    if (!name.ends_with('/'))
      files[name] = tar(in_collect(archive), "-xO '" + data(name).string().substr(1) + "'");
  }
  return files;
}

}  // namespace peerstage::peers::collect
