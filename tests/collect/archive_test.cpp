#include "peers/collect/archive.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "peers/failure.h"
#include "tests/support/failing_system_call.h"
#include "tests/support/in_child.h"
#include "tests/support/nth_call_fails.h"
#include "tests/support/other_user.h"
#include "tests/support/process.h"
#include "tests/support/shell.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::collect {
namespace {

using test::in_child;

namespace fs = std::filesystem;
using config::ArchiveContent;
using config::ArchiveMode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAre;
using Outcome = Archived::Outcome;

/// Reads a whole archive; a line for each member: what it is, size, mode, name and target.
const std::string list_with_python =
    "/usr/bin/python3 -c 'import sys, tarfile\n"
    "kinds = {tarfile.REGTYPE: \"file\", tarfile.GNUTYPE_SPARSE: \"file\", tarfile.DIRTYPE: \"directory\","
    " tarfile.SYMTYPE: \"link\", tarfile.LNKTYPE: \"hardlink\"}\n"
    "for m in tarfile.open(sys.argv[1], errorlevel=2, ignore_zeros=False):\n"
    "    print(kinds[m.type], m.size, oct(m.mode)[2:], ascii(m.name)[1:-1], *([m.linkname] if m.linkname "
    "else []))' ";

class InArchive : public testing::Test {
 protected:
  static Archive::Options options(ArchiveContent content = ArchiveContent::whole) {
    Archive::Options options;
    options.content = content;
    return options;
  }

  /// What adding each entry below a directory comes to. Members begin with its path.
  class Adding : public TreeReceiver {
   public:
    explicit Adding(Archive& archive) : archive_(archive) {}
    void entry(const TreeEntry& entry) override { outcomes.push_back(archive_.add(entry)); }
    void skipped(const std::string&, const std::string&) override {}
    void failed(const std::string&, const std::string& sentence) override { ADD_FAILURE() << sentence; }
    std::vector<Archived> outcomes;

   private:
    Archive& archive_;
  };

  Archive::Committed archive_tree(const std::string& top, const Archive::Options& options,
                                  const std::string& name = "a.tar") {
    Archive archive(place_, name, options);
    Adding adding(archive);
    TreeRules rules;
    rules.content = options.content;
    walk_tree(directory / top, rules, adding);
    for (const Archived& archived : adding.outcomes)
      EXPECT_EQ(archived.outcome, Outcome::whole) << archived.sentence;
    return archive.commit();
  }

  TreeEntry entry(const std::string& name) const {
    TreeEntry entry;
    entry.path = directory / name;
    EXPECT_EQ(::lstat(entry.path.c_str(), &entry.status), 0) << name;
    return entry;
  }

  /// The lines of what Python reads, with names relative to the test's directory.
  std::vector<std::string> members(const std::string& name = "a.tar") const {
    const std::string base = directory.path().string().substr(1) + "/";
    std::string text = test::output_of(list_with_python + into / name);
    for (std::size_t at = text.find(base); at != std::string::npos; at = text.find(base, at))
      text.erase(at, base.size());
    std::vector<std::string> lines;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = text.find('\n', start);
      lines.push_back(text.substr(start, end - start));
      start = end + 1;
    }
    return lines;
  }

  std::string tar(const std::string& words) const {
    return test::output_of("LC_ALL=C.UTF-8 TZ=UTC tar " + words + " -f " + into / "a.tar");
  }

  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& found : fs::directory_iterator(into.path())) names.push_back(found.path().filename());
    return names;
  }

  test::TemporaryDirectory directory, into;
  staging::Directory place_ = staging::Directory::open(into.path().string());
};

TEST_F(InArchive, IsWhatCedarBackupPutsThere) {
  directory.write("t/d/f", "content");
  fs::permissions(directory / "t/d/f", fs::perms::owner_read);
  fs::create_directories(directory / "t/empty");
  fs::create_symlink("d/f", directory / "t/l");
  const auto committed = archive_tree("t", options(ArchiveContent::cedar));
  EXPECT_EQ(committed.entries, 2U);
  EXPECT_THAT(members(), UnorderedElementsAre("file 7 400 t/d/f", "link 0 777 t/l d/f"));
}

TEST_F(InArchive, IsTheWholeTree) {
  directory.write("t/d/f", "content");
  fs::permissions(directory / "t/d", fs::perms::owner_all);
  fs::create_directories(directory / "t/empty");
  fs::create_symlink("nowhere", directory / "t/l");
  EXPECT_EQ(archive_tree("t", options()).entries, 5U);
  EXPECT_THAT(members(), IsSupersetOf({"file 7 644 t/d/f", "directory 0 700 t/d", "directory 0 755 t/empty",
                                       "link 0 777 t/l nowhere"}));
}

TEST_F(InArchive, IsWhatIsThereSaysGnuTar) {
  for (int i = 0; i < 50; ++i)
    directory.write("t/" + std::to_string(i % 7) + "/f" + std::to_string(i),
                    std::string(static_cast<std::size_t>(i) * 3001, 'x'));
  directory.write("t/large", std::string(3'000'001, 'y'));
  for (const auto content : {ArchiveContent::cedar, ArchiveContent::whole}) {
    archive_tree("t", options(content));
    EXPECT_EQ(tar("--compare -C /"), "");
  }
}

TEST_F(InArchive, IsReadableHoweverItIsCompressed) {
  directory.write("t/f", std::string(2'000'000, 'x'));
  for (const auto mode : {ArchiveMode::targz, ArchiveMode::tarbz2, ArchiveMode::tarzst}) {
    Archive::Options compressed = options();
    compressed.mode = mode;
    const std::string name = std::string("a") + archive_ending(mode);
    const auto committed = archive_tree("t", compressed, name);
    EXPECT_LT(committed.size, 20'000U);
    EXPECT_EQ(committed.size, fs::file_size(into / name));
    EXPECT_EQ(test::output_of("sha256sum " + into / name), committed.sum.hex() + "  " + into / name + "\n");
    if (mode == ArchiveMode::tarzst && std::system("zstd --version >/dev/null 2>&1") != 0) continue;
    EXPECT_EQ(test::output_of("tar -C / --compare -f " + into / name), "");
  }
}

TEST_F(InArchive, HasItsTimeAndOwnersName) {
  directory.write("t/f", "x");
  const timespec times[] = {{1, 0}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (directory / "t/f").c_str(), times, 0), 0);
  archive_tree("t", options());
  EXPECT_THAT(tar("-t --full-time -v"), HasSubstr("2023-11-14 22:13:20.123456789 "));
  EXPECT_THAT(tar("-t -v"),
              HasSubstr(test::output_of("printf '%s' \"$(stat -c %U/%G '" + directory / "t/f" + "')\"")));
  archive_tree("t", options(ArchiveContent::cedar));
  EXPECT_THAT(tar("-t --full-time -v"), HasSubstr("2023-11-14 22:13:20 "));
}

TEST_F(InArchive, KeepsNamesOfAnyBytesAndLength) {
  const std::string longest(255, 'n');
  for (const std::string& name :
       {std::string("bad\xff\xfe"), std::string("\xc3\xbcn\xc3\xaf"), std::string("line\nfeed"),
        std::string("back\\slash"), longest, std::string(120, 'a') + "\xff"}) {
    directory.write("t/" + name, name);
  }
  fs::create_symlink(longest.substr(1) + "/" + longest + "/" + longest, directory / "t/long_link");
  directory.write("t/" + longest.substr(1) + "/" + longest + "/" + longest, "deep");
  for (const auto content : {ArchiveContent::cedar, ArchiveContent::whole}) {
    archive_tree("t", options(content));
    EXPECT_THAT(
        members(),
        IsSupersetOf({std::string("file 5 644 t/bad\\udcff\\udcfe"), std::string("file 5 644 t/\\xfcn\\xef"),
                      std::string("file 9 644 t/line\\nfeed"), std::string("file 10 644 t/back\\\\slash"),
                      "file 255 644 t/" + longest, "file 121 644 t/" + std::string(120, 'a') + "\\udcff"}));
    fs::create_directories(directory / "x");
    tar("-x --warning=no-unknown-keyword -C " + directory / "x");
    EXPECT_EQ(test::output_of("diff -r --no-dereference " + directory / "t" + " " + directory / "x" +
                              directory.path().string() + "/t"),
              "");
    fs::remove_all(directory / "x");
  }
}

TEST_F(InArchive, NamesInUtf8NeedNoWarning) {
  directory.write("t/\xc3\xbcn\xc3\xaf", "x");
  archive_tree("t", options());
  EXPECT_THAT(tar("-t"), Not(HasSubstr("Ignoring")));
}

TEST_F(InArchive, KeepsHardLinks) {
  directory.write("t/one", "content");
  fs::create_hard_link(directory / "t/one", directory / "t/two");
  fs::create_hard_link(directory / "t/one", directory / "t/three");
  fs::create_hard_link(directory / "t/one", directory / "elsewhere");
  Archive::Options summing = options();
  summing.sum_contents = true;
  Archive archive(place_, "a.tar", summing);
  std::vector<std::optional<ContentSum>> sums;
  for (const char* name : {"t/one", "t/two", "t/three"}) sums.push_back(archive.add(entry(name)).sum);
  archive.commit();
  EXPECT_THAT(members(),
              ElementsAre("file 7 644 t/one", "hardlink 0 644 t/two t/one", "hardlink 0 644 t/three t/one"));
  EXPECT_EQ(sums[0], sum_of_file(directory / "t/one"));
  EXPECT_EQ(sums[1], sums[0]);
  EXPECT_EQ(sums[2], sums[0]);
}

TEST_F(InArchive, IsNoHardLinkOfItself) {
  directory.write("f", "content");
  fs::create_hard_link(directory / "f", directory / "g");
  Archive archive(place_, "a.tar", options());
  archive.add(entry("f"));
  archive.add(entry("f"));
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 7 644 f", "file 7 644 f"));
}

TEST_F(InArchive, IsNoHardLinkOfAnOlderContent) {
  const std::string one = directory.write("t/one", "old");
  for (const char* name : {"t/two", "t/three"}) fs::create_hard_link(one, directory / name);
  Archive::Options summing = options();
  summing.sum_contents = true;
  Archive archive(place_, "a.tar", summing);
  archive.add(entry("t/one"));
  directory.write("t/one", "newer");
  const ContentSum now = sum_of_file(one);
  EXPECT_EQ(archive.add(entry("t/two")).sum, now);
  EXPECT_EQ(archive.add(entry("t/three")).sum, now);
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 3 644 t/one", "file 5 644 t/two", "hardlink 0 644 t/three t/two"));
}

TEST_F(InArchive, KeepsHolesAndSizesBeyondEightGiB) {
  const std::string file = directory.write("t/f", "begin");
  constexpr off_t size = 9LL << 30;
  ASSERT_EQ(::truncate(file.c_str(), size), 0);
  {
    const int opened = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_EQ(::pwrite(opened, "middle", 6, 5LL << 30), 6);
    ::close(opened);
  }
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  if (status.st_blocks > 1000) GTEST_SKIP() << "this file system knows no holes";
  const std::string hole = directory.write("t/hole", "");
  ASSERT_EQ(::truncate(hole.c_str(), 1 << 20), 0);
  EXPECT_LT(archive_tree("t", options()).size, 1U << 20);
  EXPECT_THAT(members(), IsSupersetOf({"file " + std::to_string(size) + " 644 t/f",
                                       std::string("file 1048576 644 t/hole")}));
  tar("-x -C " + into.path().string());
  const std::string extracted = into.path().string() + file;
  ASSERT_EQ(::stat(extracted.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, size);
  EXPECT_EQ(
      test::output_of("dd status=none bs=1 count=6 skip=" + std::to_string(5LL << 30) + " if=" + extracted),
      "middle");
  EXPECT_EQ(test::output_of("cmp " + hole + " " + into.path().string() + hole), "");
}

TEST_F(InArchive, KeepsExtendedAttributesAndLists) {
  const std::string file = directory.write("t/f", "x");
  const std::string value("a\0b", 3);
  if (::setxattr(file.c_str(), "user.color", value.data(), value.size(), 0) != 0)
    GTEST_SKIP() << "this file system knows no extended attributes";
  // user::rw-, user:1:r--, group::r--, mask::r--, other::---
  const std::string list(
      "\2\0\0\0"
      "\1\0\6\0\377\377\377\377"
      "\2\0\4\0\1\0\0\0"
      "\4\0\4\0\377\377\377\377"
      "\20\0\4\0\377\377\377\377"
      "\40\0\0\0\377\377\377\377",
      44);
  const bool has_lists =
      ::setxattr(file.c_str(), "system.posix_acl_access", list.data(), list.size(), 0) == 0 &&
      ::setxattr((directory / "t").c_str(), "system.posix_acl_default", list.data(), list.size(), 0) == 0;
  archive_tree("t", options());
  tar("-x --xattrs --acls -C " + into.path().string());
  std::string found(100, '\0');
  const auto attribute = [&](const std::string& path, const char* name) {
    const ssize_t size = ::getxattr((into.path().string() + path).c_str(), name, found.data(), found.size());
    return size < 0 ? "none" : found.substr(0, static_cast<std::size_t>(size));
  };
  EXPECT_EQ(attribute(file, "user.color"), value);
  if (has_lists) {
    EXPECT_EQ(attribute(file, "system.posix_acl_access"), list);
    EXPECT_EQ(attribute(directory / "t", "system.posix_acl_default"), list);
  }
}

// --- what goes wrong with an entry

TEST_F(InArchive, IsNothingOfWhatCannotBeRead) {
  directory.write("closed", "secret");
  directory.write("open", "x");
  fs::permissions(directory.path(), fs::perms::all);
  fs::permissions(directory / "closed", fs::perms::none);
  Archive archive(place_, "a.tar", options());
  {
    const test::WithoutRights rights;
    const Archived archived = archive.add(entry("closed"));
    EXPECT_EQ(archived.outcome, Outcome::unreadable);
    EXPECT_EQ(archived.sentence, "cannot read " + directory / "closed" + ": Permission denied");
    EXPECT_TRUE(archive.empty());
    EXPECT_EQ(archive.add(entry("open")).outcome, Outcome::whole);
  }
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 1 644 open"));
}

TEST_F(InArchive, IsNothingOfWhatIsGone) {
  for (const char* name : {"gone", "now_a_link", "now_a_directory", "there"}) directory.write(name, "x");
  std::vector<TreeEntry> entries;
  for (const char* name : {"gone", "now_a_link", "now_a_directory", "there"}) entries.push_back(entry(name));
  for (const char* name : {"gone", "now_a_link", "now_a_directory"}) fs::remove(directory / name);
  fs::create_symlink("there", directory / "now_a_link");
  fs::create_directory(directory / "now_a_directory");
  Archive archive(place_, "a.tar", options());
  for (const TreeEntry& found : entries) {
    const Archived archived = archive.add(found);
    EXPECT_EQ(archived.outcome, found.path == directory / "there" ? Outcome::whole : Outcome::vanished)
        << archived.sentence;
  }
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 1 644 there"));
}

/// The errors that a file has which is no file any more; here it is one.
TEST_F(InArchive, IsUnreadableAndNotGoneWhileItStands) {
  directory.write("f", "x");
  fs::create_symlink("f", directory / "l");
  for (const int error : {ENOENT, ENOTDIR, EINVAL, ENXIO, ELOOP}) {
    EXPECT_TRUE(in_child([&] {
      Archive archive(place_, "a.tar", options());
      const TreeEntry file = entry("f"), link = entry("l");
      test::fail_system_call(SYS_openat, error);
      test::fail_system_call(SYS_readlinkat, error);
      return archive.add(file).outcome == Outcome::unreadable &&
             archive.add(link).outcome == Outcome::unreadable;
    })) << error;
  }
}

/// As of a disk that has gone bad behind the first piece.
TEST_F(InArchive, IsUnreadableWhereItsEndIs) {
  directory.write("f", std::string(1 << 20, 'x'));
  for (const auto content : {ArchiveContent::cedar, ArchiveContent::whole}) {
    EXPECT_TRUE(in_child([&] {
      Archive archive(place_, "a.tar", options(content));
      constexpr unsigned offset = 3;
      test::fail_system_call_from(SYS_pread64, offset, 512U << 10U, EIO);
      const Archived result = archive.add(entry("f"));
      archive.commit();
      return result.outcome == Outcome::unreadable &&
             result.sentence.ends_with("what is behind byte 524288 cannot be read: Input/output error");
    }));
    EXPECT_THAT(members(), ElementsAre("file 1048576 644 f"));
  }
}

TEST_F(InArchive, IsReadThroughTheDirectoryInWhichItWasFound) {
  directory.write("d/f", "mine");
  directory.write("other/f", "not to be read");
  const staging::Directory found = staging::Directory::open(directory / "d");
  TreeEntry inside = entry("d/f");
  inside.directory = found.descriptor();
  fs::rename(directory / "d", directory / "moved");
  fs::create_directory_symlink("other", directory / "d");
  Archive archive(place_, "a.tar", options());
  EXPECT_EQ(archive.add(inside).outcome, Outcome::whole);
  archive.commit();
  EXPECT_EQ(tar("-x -O"), "mine");
}

TEST_F(InArchive, IsAsLongAsItIsWhenItIsRead) {
  directory.write("shorter", "0123456789");
  directory.write("longer", "0");
  const TreeEntry shorter = entry("shorter"), longer = entry("longer");
  directory.write("shorter", "0");
  directory.write("longer", "0123456789");
  Archive archive(place_, "a.tar", options(ArchiveContent::cedar));
  EXPECT_EQ(archive.add(shorter).outcome, Outcome::whole);
  EXPECT_EQ(archive.add(longer).outcome, Outcome::whole);
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 1 644 shorter", "file 10 644 longer"));
}

/// Files that the kernel makes say that they are a page long.
TEST_F(InArchive, IsNoLongerThanWhatCanBeRead) {
  const std::string lying = "/sys/kernel/fscaps";
  struct stat status {};
  if (::stat(lying.c_str(), &status) != 0 || status.st_size < 100) GTEST_SKIP() << "there is no " << lying;
  Archive archive(place_, "a.tar", options(ArchiveContent::cedar));
  TreeEntry found;
  found.path = lying;
  found.status = status;
  EXPECT_EQ(archive.add(found).outcome, Outcome::whole);
  directory.write("next", "x");
  archive.add(entry("next"));
  archive.commit();
  EXPECT_THAT(members(), ElementsAre("file 2 444 sys/kernel/fscaps", "file 1 644 next"));
}

TEST_F(InArchive, StaysReadableWhateverHappensToItsFiles) {
  constexpr off_t large = 8 << 20;
  const std::string file = directory.write("restless", "");
  directory.write("quiet", "x");
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (off_t size = large; !is_over; size = size == large ? large / 4 : large)
      if (::truncate(file.c_str(), size) != 0) return;
  });
  Archive::Options summing = options(ArchiveContent::cedar);  // no holes there
  summing.sum_contents = true;
  Archive archive(place_, "a.tar", summing);
  bool became_shorter = false;
  for (int i = 0; i < 2000 && !became_shorter; ++i) {
    const Archived archived = archive.add(entry("restless"));
    became_shorter = archived.sentence.find("became shorter") != std::string::npos;
    EXPECT_EQ(archived.outcome == Outcome::whole, archived.sentence.empty());
  }
  is_over = true;
  writer.join();
  EXPECT_EQ(archive.add(entry("quiet")).outcome, Outcome::whole);
  archive.commit();
  EXPECT_TRUE(became_shorter);
  EXPECT_EQ(members().back(), "file 1 644 quiet");
}

// --- the file

TEST_F(InArchive, HasTheSumThatItIsCommittedWith) {
  directory.write("t/f", std::string(5'000'000, 'x'));
  const auto committed = archive_tree("t", options());
  EXPECT_EQ(committed.name, "a.tar");
  EXPECT_EQ(committed.size, fs::file_size(into / "a.tar"));
  EXPECT_EQ(test::output_of("sha256sum " + into / "a.tar"), committed.sum.hex() + "  " + into / "a.tar\n");
}

TEST_F(InArchive, IsInNobodysSightBeforeItIsWhole) {
  directory.write("f", std::string(3'000'000, 'x'));
  into.write("a.tar", "yesterday's");
  {
    Archive archive(place_, "a.tar", options());
    archive.add(entry("f"));
    EXPECT_THAT(left(), ElementsAre("a.tar"));
    EXPECT_EQ(test::read_text(into / "a.tar"), "yesterday's");
  }
  EXPECT_THAT(left(), ElementsAre("a.tar"));
  EXPECT_EQ(test::read_text(into / "a.tar"), "yesterday's");
}

TEST_F(InArchive, ReplacesWhatHadItsName) {
  directory.write("t/f", "x");
  into.write("a.tar", "yesterday's");
  Archive::Options mine = options();
  mine.permissions = 0604;
  if (::geteuid() == 0) mine.owner = staging::Ownership{1, 2};
  archive_tree("t", mine);
  EXPECT_THAT(left(), ElementsAre("a.tar"));
  struct stat status {};
  ASSERT_EQ(::stat((into / "a.tar").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0604U);
  if (mine.owner) {
    EXPECT_EQ(status.st_uid, 1U);
    EXPECT_EQ(status.st_gid, 2U);
  }
  EXPECT_EQ(tar("--compare -C /"), "");
}

TEST_F(InArchive, HasAHiddenNameWhereThereAreNoFilesWithout) {
  directory.write("f", std::string(3'000'000, 'x'));
  into.write("a.tar", "yesterday's");
  EXPECT_TRUE(in_child([this] {
    test::fail_system_call(SYS_access, ENOENT);  // as if there were no /proc
    {
      Archive archive(place_, "a.tar", options());
      archive.add(entry("f"));
      if (left().size() != 2 || test::read_text(into / "a.tar") != "yesterday's") return false;
    }
    if (left().size() != 1) return false;
    Archive archive(place_, "a.tar", options());
    archive.add(entry("f"));
    archive.commit();
    return left().size() == 1;
  }));
  EXPECT_EQ(tar("--compare -C /"), "");
}

TEST_F(InArchive, LeavesNothingWhenTheDiskRefuses) {
  directory.write("t/f", std::string(8'000'000, 'x'));
  EXPECT_TRUE(in_child([this] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4 << 20, 4 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      archive_tree("t", options());
    } catch (const PeerError& error) {
      return std::string(error.what()) == "cannot write " + into / "a.tar" + ": File too large";
    }
    return false;
  }));
  EXPECT_THAT(left(), IsEmpty());
}

TEST_F(InArchive, IsWrittenThroughTheCacheWhereTheDiskTakesNothingElse) {
  directory.write("t/f", std::string(20'000'000, 'x'));
  EXPECT_TRUE(in_child([this] {
    test::fail_system_call(SYS_fcntl, EINVAL);
    archive_tree("t", options());
    return true;
  }));
  EXPECT_EQ(tar("--compare -C /"), "");
}

TEST_F(InArchive, IsWrittenThroughTheCacheFromWhereADirectWriteIsRefused) {
  directory.write("t/f", std::string(20'000'000, 'x'));
  const int direct = ::open((into / "probe").c_str(), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
  if (direct < 0) GTEST_SKIP() << "this file system takes no direct writes";
  ::close(direct);
  fs::remove(into / "probe");
  EXPECT_TRUE(in_child([this] {
    const test::NthCallFails rule({SYS_pwrite64}, 3, EINVAL, test::Failing::once);
    archive_tree("t", options());
    return rule.happened();
  }));
  EXPECT_EQ(tar("--compare -C /"), "");
}

TEST_F(InArchive, CannotHaveANameThatIsTooLong) {
  EXPECT_THROW(Archive(place_, std::string(256, 'n'), options()), PeerError);
}

TEST_F(InArchive, LeavesNoDescriptorsAndThreads) {
  directory.write("t/f", std::string(3'000'000, 'x'));
  archive_tree("t", options());
  const std::size_t descriptors = test::open_descriptors(), threads = test::running_threads();
  archive_tree("t", options());
  { Archive abandoned(place_, "b.tar", options()); }
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(test::running_threads(), threads);
}

TEST_F(InArchive, IsReadableWhenItIsEmpty) {
  Archive archive(place_, "a.tar", options());
  EXPECT_TRUE(archive.empty());
  EXPECT_EQ(archive.commit().entries, 0U);
  EXPECT_THAT(members(), IsEmpty());
  EXPECT_EQ(tar("-t"), "");
}

TEST_F(InArchive, RemovesWhatInterruptedOnesHaveLeft) {
  into.write(".cback.archive-0123456789abcdef", "half");
  into.write(".cback.archive-other", "somebody's");
  into.write("etc.tar", "whole");
  remove_unfinished_archives(place_);
  EXPECT_THAT(left(), UnorderedElementsAre(".cback.archive-other", "etc.tar"));
}

TEST_F(InArchive, HasTheSumOfWhatStandsInTheDirectoryInWhichItWasFound) {
  const ContentSum mine = sum_of_file(directory.write("d/f", "mine"));
  directory.write("other/f", "not to be read");
  const staging::Directory found = staging::Directory::open(directory / "d");
  TreeEntry inside = entry("d/f");
  inside.directory = found.descriptor();
  fs::rename(directory / "d", directory / "moved");
  fs::create_directory_symlink("other", directory / "d");
  EXPECT_EQ(sum_of_file(inside), mine);
  inside.path = "/" + std::string(5000, 'x') + "/f";
  EXPECT_EQ(sum_of_file(inside), mine) << "however long its path is";
}

TEST(ContentSum, IsThatOfTheFile) {
  const test::TemporaryDirectory directory;
  const ContentSum sum = sum_of_file(directory.write("f", "abc"));
  EXPECT_EQ(sum[0], 0xa9);
  EXPECT_EQ(sum[19], 0x9d);
  EXPECT_THROW(sum_of_file(directory / "nowhere"), PeerError);
  EXPECT_THROW(sum_of_file(directory.path().string()), PeerError);
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);
  EXPECT_THROW(sum_of_file(directory / "fifo"), PeerError);
}

}  // namespace
}  // namespace peerstage::peers::collect
