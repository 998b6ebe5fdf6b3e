#include "config/source_file.h"

#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

namespace fs = std::filesystem;

std::string fault_of_reading(const std::string& path) {
  try {
    read_source(path);
  } catch (const SourceError& error) {
    return error.what();
  }
  return "";
}

TEST(ReadSource, ReturnsEveryByte) {
  const test::TemporaryDirectory directory;
  const std::string bytes("a\0b\r\n", 5);
  EXPECT_EQ(read_source(directory.write("f", bytes)), bytes);
  EXPECT_EQ(read_source(directory.write("full", std::string(1U << 20U, 'x'))).size(), 1U << 20U);
}

TEST(ReadSource, FollowsALink) {
  const test::TemporaryDirectory directory;
  fs::create_symlink(directory.write("f", "x"), directory / "link");
  EXPECT_EQ(read_source(directory / "link"), "x");
}

TEST(ReadSource, RefusesWhatIsNoSmallRegularFileWithoutWaiting) {
  const test::TemporaryDirectory directory;
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(fault_of_reading(fifo), "this is not a regular file");
  EXPECT_EQ(fault_of_reading(directory.path().string()), "this is not a regular file");
  EXPECT_EQ(fault_of_reading("/dev/zero"), "this is not a regular file");
  EXPECT_EQ(fault_of_reading(directory.write("large", std::string((1U << 20U) + 1, 'x'))),
            "this file is larger than 1 MiB, which no configuration needs");
  EXPECT_EQ(fault_of_reading(directory / "absent"), "cannot open it: No such file or directory");
}

/// A tree in which everything belongs to root; only root can make one.
class ChangeableByOthers : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make files of root";
    file_ = directory_.write("a/b/cback.conf", "<x/>");
    mode(file_, 0644);
    mode(directory_ / "a", 0755);
    mode(directory_ / "a/b", 0755);
    ASSERT_EQ(changeable_by_others(file_), std::nullopt);
  }

  static void mode(const std::string& path, ::mode_t bits) {
    ASSERT_EQ(::chmod(path.c_str(), bits), 0) << path;
  }
  static void owner(const std::string& path, ::uid_t user) {
    ASSERT_EQ(::lchown(path.c_str(), user, 0), 0) << path;
  }

  std::string fault() const { return changeable_by_others(file_).value_or(""); }

  test::TemporaryDirectory directory_;
  std::string file_;
};

TEST_F(ChangeableByOthers, FindsAFileThatOthersCanWrite) {
  mode(file_, 0664);
  EXPECT_EQ(fault(), file_ + " is writable by others than root");
  mode(file_, 0646);
  EXPECT_EQ(fault(), file_ + " is writable by others than root");
}

TEST_F(ChangeableByOthers, FindsAFileOfSomebodyElse) {
  owner(file_, 65534);
  EXPECT_EQ(fault(), file_ + " belongs to user 65534, not to root");
}

TEST_F(ChangeableByOthers, FindsADirectoryFarAboveThatOthersCanWrite) {
  mode(directory_ / "a", 0777);
  EXPECT_EQ(fault(), (directory_ / "a") + " is writable by others than root");
}

TEST_F(ChangeableByOthers, FindsADirectoryOfSomebodyElse) {
  owner(directory_ / "a/b", 65534);
  EXPECT_EQ(fault(), (directory_ / "a/b") + " belongs to user 65534, not to root");
}

TEST_F(ChangeableByOthers, TrustsRootsFilesInAStickyDirectory) {
  mode(directory_ / "a/b", 01777);
  EXPECT_EQ(fault(), "");
  owner(file_, 65534);
  EXPECT_NE(fault(), "");
}

TEST_F(ChangeableByOthers, LooksBehindALink) {
  fs::create_directory(directory_ / "c");
  fs::create_symlink("../a/./b/cback.conf", directory_ / "c/link");
  mode(directory_ / "c", 0755);
  EXPECT_EQ(changeable_by_others(directory_ / "c/link"), std::nullopt);
  mode(directory_ / "a/b", 0775);
  EXPECT_EQ(changeable_by_others(directory_ / "c/link"),
            (directory_ / "a/b") + " is writable by others than root");
}

TEST_F(ChangeableByOthers, FindsALinkOfSomebodyElse) {
  fs::create_symlink(file_, directory_ / "link");
  owner(directory_ / "link", 65534);
  EXPECT_NE(changeable_by_others(directory_ / "link"), std::nullopt);
}

TEST_F(ChangeableByOthers, GivesUpOnLinksInACircle) {
  fs::create_symlink("y", directory_ / "x");
  fs::create_symlink("x", directory_ / "y");
  EXPECT_THROW(changeable_by_others(directory_ / "x"), SourceError);
}

TEST_F(ChangeableByOthers, KeepsRootFromLoadingIt) {
  mode(file_, 0666);
  const auto complains = [](const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
      if (finding.message.find("writable by others than root") != std::string::npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(complains(load(file_, StartedAs::root).findings));
  EXPECT_FALSE(complains(load(file_, StartedAs::user).findings));
}

}  // namespace
}  // namespace peerstage::config
