#include "peers/collect/tree.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers/failure.h"
#include "tests/support/other_user.h"
#include "tests/support/process.h"
#include "tests/support/shell.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::collect {
namespace {

namespace fs = std::filesystem;
using config::ArchiveContent;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

/// Writes down what it hears, with paths relative to `base`. A directory ends in "/", a link in "@".
class Heard : public TreeReceiver {
 public:
  explicit Heard(std::string base) : base_(std::move(base)) {}

  void entry(const TreeEntry& entry) override {
    std::string name = relative(entry.path);
    if (S_ISDIR(entry.status.st_mode)) name += '/';
    if (S_ISLNK(entry.status.st_mode)) name += '@';
    if (entry.is_followed_link) followed.push_back(name);
    entries.push_back(name);
    if (on_entry) on_entry(name);
  }
  void skipped(const std::string& path, const std::string& reason) override {
    skips.push_back(relative(path) + ": " + reason);
  }
  void failed(const std::string&, const std::string& sentence) override { failures.push_back(sentence); }

  std::vector<std::string> entries, followed, skips, failures;
  std::function<void(const std::string&)> on_entry;

 private:
  std::string relative(const std::string& path) const {
    return path.compare(0, base_.size() + 1, base_ + "/") == 0 ? path.substr(base_.size() + 1) : path;
  }
  std::string base_;
};

class Tree : public testing::Test {
 protected:
  Heard walk(const std::string& top, const TreeRules& rules = {}) const {
    Heard heard(directory.path().string());
    walk_tree(directory / top, rules, heard);
    return heard;
  }
  void link(const std::string& target, const std::string& name) const {
    fs::create_directories(fs::path(directory / name).parent_path());
    fs::create_symlink(target, directory / name);
  }
  TreeRules excluding(const std::set<std::string>& names) const {
    TreeRules rules;
    for (const std::string& name : names) excluded_.insert(directory / name);
    rules.excludes = [this](const std::string& path) { return excluded_.count(path) > 0; };
    return rules;
  }
  static TreeRules following(std::int64_t depth, ArchiveContent content = ArchiveContent::whole) {
    TreeRules rules;
    rules.link_depth = depth;
    rules.content = content;
    return rules;
  }
  static TreeRules dereferencing(std::int64_t depth, ArchiveContent content = ArchiveContent::whole) {
    TreeRules rules = following(depth, content);
    rules.dereference = true;
    return rules;
  }

  test::TemporaryDirectory directory;

 private:
  mutable std::set<std::string> excluded_;
};

TEST_F(Tree, TellsOfEachDirectoryBeforeWhatIsInIt) {
  directory.write("t/f", "x");
  directory.write("t/d/.hidden", "x");
  fs::create_directories(directory / "t/empty");
  link("f", "t/l");
  const Heard heard = walk("t");
  EXPECT_THAT(heard.entries, UnorderedElementsAre("t/", "t/f", "t/d/", "t/d/.hidden", "t/empty/", "t/l@"));
  EXPECT_EQ(heard.entries.front(), "t/");
  EXPECT_LT(std::find(heard.entries.begin(), heard.entries.end(), "t/d/"),
            std::find(heard.entries.begin(), heard.entries.end(), "t/d/.hidden"));
  EXPECT_THAT(heard.failures, IsEmpty());
}

TEST_F(Tree, TakesNoNoticeOfTrailingSlashes) {
  directory.write("t/f", "x");
  EXPECT_THAT(walk("t//").entries, ElementsAre("t/", "t/f"));
  EXPECT_THAT(walk("t/", excluding({"t"})).entries, IsEmpty());
}

TEST_F(Tree, LeavesOutWhatIsExcludedAndAllBelowIt) {
  directory.write("t/d/e/f", "x");
  directory.write("t/g", "x");
  directory.write("t/h", "x");
  EXPECT_THAT(walk("t", excluding({"t/d", "t/g", "t/h/"})).entries, UnorderedElementsAre("t/", "t/h"));
  EXPECT_THAT(walk("t", excluding({"t"})).entries, IsEmpty());
}

TEST_F(Tree, LeavesOutADirectoryWithTheIgnoreFile) {
  directory.write("t/d/.ignore", "");
  directory.write("t/d/e/f", "x");
  fs::create_directories(directory / "t/by_directory/.ignore");
  link("nowhere", "t/dangling/.ignore");
  TreeRules rules;
  rules.ignore_file = ".ignore";
  EXPECT_THAT(walk("t", rules).entries, UnorderedElementsAre("t/", "t/dangling/", "t/dangling/.ignore@"));
  directory.write("t/.ignore", "");
  EXPECT_THAT(walk("t", rules).entries, IsEmpty());
}

TEST_F(Tree, SaysWhatCannotBeArchived) {
  fs::create_directories(directory / "t");
  ASSERT_EQ(::mkfifo((directory / "t/fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory / "t/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(socket);
  EXPECT_THAT(walk("t").skips, UnorderedElementsAre("t/fifo: fifo", "t/socket: socket"));
}

TEST_F(Tree, KeepsLinksToWhatIsNotThereButForCedar) {
  fs::create_directories(directory / "t");
  ASSERT_EQ(::mkfifo((directory / "t/fifo").c_str(), 0600), 0);
  link("nowhere", "t/dangling");
  link("self", "t/self");
  link("fifo", "t/to_fifo");
  link("/dev/null", "t/to_device");
  EXPECT_THAT(walk("t").entries,
              UnorderedElementsAre("t/", "t/dangling@", "t/self@", "t/to_fifo@", "t/to_device@"));
  const Heard heard = walk("t", following(0, ArchiveContent::cedar));
  EXPECT_THAT(heard.entries, ElementsAre("t/"));
  EXPECT_THAT(heard.skips,
              UnorderedElementsAre("t/fifo: fifo", "t/dangling: dangling link", "t/self: dangling link",
                                   "t/to_fifo: link to a fifo", "t/to_device: link to a device"));
}

/// What cback3 3.7.4 does with the same links.
class Links : public Tree {
 protected:
  void SetUp() override {
    directory.write("t/f", "x");
    directory.write("out/d1/q", "x");
    directory.write("out/d1/d2/r", "x");
    link("..", "out/d1/up");
    link("../f", "t/l/file");
    link("../../out/d1", "t/l/dir");
    link("../../../out/d1", "t/l/s/deep");
  }
};

TEST_F(Links, AreNotFollowedByThemselves) {
  EXPECT_THAT(walk("t", following(1)).entries,
              UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/file@", "t/l/dir@", "t/l/s/", "t/l/s/deep@"));
}

TEST_F(Links, AreFollowedDownToTheDepth) {
  const Heard heard = walk("t", following(2));
  EXPECT_THAT(heard.entries,
              UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/file@", "t/l/dir/", "t/l/dir/q", "t/l/dir/d2/",
                                   "t/l/dir/d2/r", "t/l/dir/up@", "t/l/s/", "t/l/s/deep@"));
  EXPECT_THAT(heard.followed, ElementsAre("t/l/dir/"));
  EXPECT_THAT(walk("t", following(3)).entries,
              UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/file@", "t/l/dir/", "t/l/dir/q", "t/l/dir/d2/",
                                   "t/l/dir/d2/r", "t/l/dir/up/", "t/l/dir/up/d1/", "t/l/dir/up/d1/q",
                                   "t/l/dir/up/d1/d2/", "t/l/dir/up/d1/d2/r", "t/l/dir/up/d1/up@", "t/l/s/",
                                   "t/l/s/deep/", "t/l/s/deep/q", "t/l/s/deep/d2/", "t/l/s/deep/d2/r",
                                   "t/l/s/deep/up@"));
}

TEST_F(Links, AreNotFollowedWhenExcluded) {
  TreeRules rules = excluding({"t/l/dir", "t/l/s"});
  rules.link_depth = 2;
  EXPECT_THAT(walk("t", rules).entries, UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/file@"));
}

TEST_F(Links, StayAndHaveTheirTargetsBesideThem) {
  EXPECT_THAT(walk("t", dereferencing(2, ArchiveContent::cedar)).entries,
              UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/file@", "t/f", "t/l/dir@", "out/d1/", "out/d1/q",
                                   "out/d1/d2/", "out/d1/d2/r", "out/d1/up@", "t/l/s/", "t/l/s/deep@"));
}

TEST_F(Links, HaveTargetsWhoseOwnPathMayBeExcluded) {
  TreeRules rules = excluding({"out/d1/d2", "t/f"});
  rules.link_depth = 2;
  rules.dereference = true;
  EXPECT_THAT(walk("t", rules).entries,
              UnorderedElementsAre("t/", "t/l/", "t/l/file@", "t/l/dir@", "out/d1/", "out/d1/q", "out/d1/up@",
                                   "t/l/s/", "t/l/s/deep@"));
}

TEST_F(Links, MayBeWhatIsConfigured) {
  link("out/d1/d2", "top");
  const Heard whole = walk("top");
  EXPECT_THAT(whole.entries, ElementsAre("top/", "top/r"));
  EXPECT_THAT(whole.followed, ElementsAre("top/"));
  const Heard cedar = walk("top", following(0, ArchiveContent::cedar));
  EXPECT_EQ(cedar.entries.front(), "top@");
  EXPECT_EQ(cedar.entries.back(), "top/r");
}

TEST_F(Tree, GivesAChainOfLinksItsRealPath) {
  directory.write("d/f", "x");
  link("second", "t/first");
  link("../d", "t/second");
  EXPECT_THAT(walk("t", dereferencing(1)).entries,
              UnorderedElementsAre("t/", "t/first@", "d/", "d/f", "t/second@", "d/", "d/f"));
}

TEST_F(Tree, GivesALinkBelowALinkTheTargetThatItHas) {
  directory.write("far/away/f", "x");
  directory.write("far/g", "x");
  link("../far/away", "t/near");
  link("../g", "far/away/l");  // by its text, t/g
  EXPECT_THAT(walk("t/near", dereferencing(1, ArchiveContent::cedar)).entries,
              testing::IsSupersetOf({"t/near@", "t/near/f", "t/near/l@", "far/g"}));
}

TEST_F(Tree, IsNotFollowedIntoItself) {
  directory.write("t/f", "x");
  link("..", "t/d/up");
  link(".", "t/here");
  EXPECT_THAT(walk("t", following(1'000'000)).entries,
              UnorderedElementsAre("t/", "t/f", "t/d/", "t/d/up@", "t/here@"));
  EXPECT_THAT(walk("t", dereferencing(1'000'000)).entries,
              UnorderedElementsAre("t/", "t/f", "t/d/", "t/d/up@", "t/here@"));
}

TEST_F(Tree, IsFollowedIntoItselfAFewTimesForCedar) {
  directory.write("t/f", "x");
  link(".", "t/l");
  EXPECT_THAT(walk("t", following(1, ArchiveContent::cedar)).entries,
              UnorderedElementsAre("t/", "t/f", "t/l/", "t/l/f", "t/l/l@"));
  EXPECT_EQ(walk("t", following(1'000'000, ArchiveContent::cedar)).entries.size(), 9U);
  EXPECT_LT(walk("t", dereferencing(1'000'000, ArchiveContent::cedar)).entries.size(), 20U);
}

TEST_F(Tree, HasToBeADirectory) {
  directory.write("f", "x");
  for (const char* top : {"nowhere", "f"}) {
    try {
      walk(top);
      FAIL() << top;
    } catch (const PeerError& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot collect the directory " + directory / top));
    }
    EXPECT_THROW(split_tree(directory / top, 1, {}), PeerError);
  }
}

TEST_F(Tree, GoesOnPastADirectoryThatCannotBeListed) {
  directory.write("t/closed/f", "x");
  directory.write("t/open/f", "x");
  fs::permissions(directory.path(), fs::perms::all);
  fs::permissions(directory / "t/closed", fs::perms::none);
  const test::WithoutRights rights;
  const Heard heard = walk("t");
  EXPECT_THAT(heard.entries, UnorderedElementsAre("t/", "t/closed/", "t/open/", "t/open/f"));
  EXPECT_THAT(heard.failures,
              ElementsAre("cannot open the directory " + directory / "t/closed" + ": Permission denied"));
}

TEST_F(Tree, KnowsNothingOfWhatIsGoneBeforeItIsLookedAt) {
  for (const char* name : {"t/a", "t/b", "t/c"}) directory.write(name, "x");
  Heard heard(directory.path().string());
  heard.on_entry = [this](const std::string& name) {
    if (name == "t/") return;
    for (const char* other : {"t/a", "t/b", "t/c"}) fs::remove(directory / other);
  };
  walk_tree(directory / "t", {}, heard);
  EXPECT_EQ(heard.entries.size(), 2U);
  EXPECT_THAT(heard.failures, IsEmpty());
}

TEST_F(Tree, IsWalkedByItsDirectoriesAndNotByItsPaths) {
  directory.write("t/d/f", "x");
  directory.write("secret/f", "x");
  directory.write("secret/g", "x");
  Heard heard(directory.path().string());
  heard.on_entry = [this](const std::string& name) {
    if (name != "t/d/") return;
    fs::rename(directory / "t/d", directory / "moved");
    link(directory / "secret", "t/d");
  };
  walk_tree(directory / "t", {}, heard);
  EXPECT_THAT(heard.entries, ElementsAre("t/", "t/d/", "t/d/f"));
}

/// So many open files are allowed, for the time of its life.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{most, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Tree, MayBeDeeperThanThereAreDescriptors) {
  constexpr std::size_t levels = 150;
  std::string name = "t";
  for (std::size_t i = 0; i < levels; ++i) name += "/d";
  directory.write(name + "/deepest", "x");
  name = "t";
  for (std::size_t i = 0; i < levels; ++i, name += "/d") {
    directory.write(name + "/f", "x");
    directory.write(name + "/g", "x");
  }
  const std::size_t descriptors = test::open_descriptors();
  const FewDescriptors few(descriptors + 100);
  const Heard heard = walk("t");
  EXPECT_EQ(heard.entries.size(), 3 * levels + 2);
  EXPECT_THAT(heard.failures, IsEmpty());
  EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST_F(Tree, MayBeDeepBehindALink) {
  std::string name = "far";
  for (int i = 0; i < 100; ++i) name += "/d";
  directory.write(name + "/deepest", "x");
  for (const char* link_name : {"t/a", "t/b", "t/c"}) link("../far", link_name);
  for (const char* file : {"t/f", "t/g", "t/h"}) directory.write(file, "x");
  EXPECT_EQ(walk("t", following(1)).entries.size(), 1U + 3 + 3 * 102);
  const Heard heard = walk("t", dereferencing(1));
  EXPECT_EQ(heard.entries.size(), 1U + 3 + 3 + 3 * 102);
  EXPECT_THAT(heard.failures, IsEmpty());
}

/// Deeper than any path may be long.
class DeepTree : public Tree {
 protected:
  void make(std::size_t levels) const {
    fs::create_directory(directory / "t");
    int at = ::open((directory / "t").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (std::size_t i = 0; i < levels; ++i) {
      ASSERT_EQ(::mkdirat(at, "d", 0700), 0);
      const int below = ::openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ::close(at);
      at = below;
    }
    ::close(at);
  }
  void TearDown() override { test::output_of("rm -rf " + directory / "t"); }
};

TEST_F(DeepTree, IsCollectedDownToSomeThousandLevels) {
  make(4100);
  link("../t", "u/l");
  const Heard heard = walk("t");
  EXPECT_EQ(heard.entries.size(), 4001U);
  ASSERT_EQ(heard.failures.size(), 1U);
  EXPECT_THAT(heard.failures.front(), HasSubstr("cannot collect what is below " + directory / "t/d/d/d"));
  EXPECT_THAT(heard.failures.front(), HasSubstr("it lies deeper than 4000 directories"));
  for (const TreeRules& rules : {following(1), dereferencing(1)}) {
    const Heard behind = walk("u", rules);
    EXPECT_GT(behind.entries.size(), 3999U);
    EXPECT_EQ(behind.failures.size(), 1U);
  }
}

TEST_F(DeepTree, HasPartsAsFarAsThereAreDescriptors) {
  make(250);
  const std::vector<TreePart> parts = split_tree(directory / "t", -1, {});
  EXPECT_EQ(parts.size(), 201U);
  EXPECT_THAT(parts.front().without, IsEmpty());
  EXPECT_EQ(parts.back().top, directory / "t");
}

// --- parts

class Parts : public Tree {
 protected:
  void SetUp() override {
    for (const char* name : {"r/a/a1/a2", "r/b", "r/.h", "r/excluded/e1"})
      fs::create_directories(directory / name);
    directory.write("r/f", "x");
    link("a", "r/l");
  }
  std::vector<std::string> split(const std::string& top, std::int64_t level) const {
    std::vector<std::string> found;
    for (const TreePart& part : split_tree(directory / top, level, excluding({"r/excluded"}))) {
      std::vector<std::string> without;
      for (const std::string& path : part.without)
        without.push_back(path.substr(directory.path().string().size() + 1));
      std::sort(without.begin(), without.end());
      std::string text = part.top.substr(directory.path().string().size() + 1);
      for (const std::string& path : without) text += " -" + path;
      found.push_back(text);
    }
    return found;
  }
};

TEST_F(Parts, AreTheDirectoriesDownToTheLevel) {
  EXPECT_THAT(split("r", 0), ElementsAre("r"));
  EXPECT_THAT(split("r", 1), UnorderedElementsAre("r -r/.h -r/a -r/b", "r/a", "r/b", "r/.h"));
  const std::vector<std::string> two = {"r -r/.h -r/a -r/b", "r/a -r/a/a1", "r/a/a1", "r/b", "r/.h"};
  EXPECT_THAT(split("r", 2), UnorderedElementsAreArray(two));
  const std::vector<std::string> all = {"r -r/.h -r/a -r/b", "r/a -r/a/a1", "r/a/a1 -r/a/a1/a2",
                                        "r/a/a1/a2",         "r/b",         "r/.h"};
  EXPECT_THAT(split("r", 99), UnorderedElementsAreArray(all));
  EXPECT_THAT(split("r", -1), UnorderedElementsAreArray(all));
  EXPECT_EQ(split("r", -1).back(), all.front());
}

TEST_F(Parts, KeepTheConfiguredSpellingOfTheirTop) {
  EXPECT_THAT(split("r/", 1), UnorderedElementsAre("r/ -r/.h -r/a -r/b", "r/a", "r/b", "r/.h"));
  link("r", "top");
  EXPECT_THAT(split("top", 1), UnorderedElementsAre("top -top/.h -top/a -top/b -top/excluded", "top/a",
                                                    "top/b", "top/.h", "top/excluded"));
}

TEST_F(Parts, AreOneWhereTheTopIsExcluded) {
  EXPECT_THAT(split("r/excluded", 1), ElementsAre("r/excluded"));
}

}  // namespace
}  // namespace peerstage::peers::collect
