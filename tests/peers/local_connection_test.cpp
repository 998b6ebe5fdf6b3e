#include "peers/local_connection.h"

#include <cerrno>
#include <fstream>
#include <map>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/in_child.h"
#include "tests/support/nth_call_fails.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers {
namespace {

using test::CollectingReceiver;
using test::TemporaryDirectory;

TEST(LocalConnection, AFileIsSeenItselfNotWhatItPointsTo) {
  const TemporaryDirectory directory;
  directory.write("file", "12345");
  std::filesystem::create_symlink("file", directory / "link");
  LocalConnection connection(directory.path());
  EXPECT_EQ(connection.lstat(directory / "file")->size, 5U);
  EXPECT_EQ(connection.lstat(directory / "link")->type, FileType::symlink);
  EXPECT_EQ(connection.lstat(directory / "missing"), std::nullopt);
  EXPECT_EQ(connection.lstat(directory / "file/below"), std::nullopt);
}

TEST(LocalConnection, AMissingBaseHoldsNothing) {
  LocalConnection connection("/nonexistent/collect");
  EXPECT_EQ(connection.lstat("/nonexistent/collect/cback.collect"), std::nullopt);
  EXPECT_THROW(connection.list("/nonexistent/collect", {}), PeerError);
}

TEST(LocalConnection, TheBaseMayBeALink) {
  const TemporaryDirectory directory;
  directory.write("real/file", "x");
  std::filesystem::create_symlink("real", directory / "collect");
  LocalConnection connection(directory / "collect/");
  EXPECT_EQ(connection.list(directory / "collect", {}).size(), 1U);
  EXPECT_EQ(connection.lstat(directory / "collect/file")->type, FileType::regular);
}

TEST(LocalConnection, ALinkBelowTheBaseIsNotFollowed) {
  const TemporaryDirectory directory;
  directory.write("secret/file", "x");
  std::filesystem::create_directory(directory / "collect");
  std::filesystem::create_symlink("../secret", directory / "collect/sub");
  LocalConnection connection(directory / "collect");
  EXPECT_THROW(connection.list(directory / "collect/sub", {}), PeerError);
  CollectingReceiver receiver;
  receiver.want(directory / "collect/sub/file", 1);
  connection.fetch(receiver);
  EXPECT_TRUE(receiver.files[0].failure.has_value());
}

TEST(LocalConnection, EveryEntryIsListedWithItsType) {
  const TemporaryDirectory directory;
  directory.write(".hidden", "abc");
  directory.write("sub/x", "");
  ::mkfifo((directory / "pipe").c_str(), 0600);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory / "socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  LocalConnection connection(directory.path());
  std::map<std::string, FileType> types;
  for (const ListedEntry& entry : connection.list(directory.path(), {})) types[entry.name] = entry.info.type;
  EXPECT_EQ(types, (std::map<std::string, FileType>{{".hidden", FileType::regular},
                                                    {"sub", FileType::directory},
                                                    {"pipe", FileType::fifo},
                                                    {"socket", FileType::socket}}));
  EXPECT_EQ(LocalConnection("/dev").lstat("/dev/null")->type, FileType::device);
}

TEST(LocalConnection, AMarkerWhoseNameIsNotDurableIsAFailure) {
  const TemporaryDirectory directory;
  LocalConnection connection(directory.path());
  EXPECT_TRUE(test::in_child([&] {
    const test::NthCallFails rule({SYS_fsync}, 2, EIO, test::Failing::once);
    try {
      connection.write_marker(directory / "cback.stage");
    } catch (const PeerError& error) {
      return std::string(error.what()).find("cannot sync the directory of the marker") != std::string::npos;
    }
    return false;
  }));
}

TEST(LocalConnection, AListingBeyondTheLimitIsHostile) {
  const TemporaryDirectory directory;
  for (const char* name : {"a", "b", "c"}) directory.write(name, "");
  LocalConnection connection(directory.path());
  ListLimits limits;
  limits.entries = 2;
  EXPECT_THROW(connection.list(directory.path(), limits), PeerError);
}

TEST(LocalConnection, FilesAreFetchedFromTheirOffset) {
  const TemporaryDirectory directory;
  const std::string large(700'001, 'q');
  directory.write("large", large);
  directory.write("small", "hello");
  directory.write("empty", "");
  LocalConnection connection(directory.path());
  CollectingReceiver receiver;
  receiver.want(directory / "large", large.size());
  receiver.want(directory / "small", 5, 2);
  receiver.want(directory / "empty", 0);
  connection.fetch(receiver);
  EXPECT_EQ(receiver.files[0].content, large);
  EXPECT_EQ(receiver.files[1].content, "llo");
  EXPECT_EQ(receiver.completed(), 3U);
}

TEST(LocalConnection, AFileThatIsShorterGoneOrNoFileAnyMoreFailsAlone) {
  const TemporaryDirectory directory;
  directory.write("short", "abc");
  directory.write("good", "abc");
  ::mkfifo((directory / "pipe").c_str(), 0600);
  LocalConnection connection(directory.path());
  CollectingReceiver receiver;
  receiver.want(directory / "short", 10);
  receiver.want(directory / "gone", 1);
  receiver.want(directory / "pipe", 1);
  receiver.want(directory / "good", 3);
  connection.fetch(receiver);
  for (const std::size_t failed : {0U, 1U, 2U}) {
    EXPECT_EQ(receiver.files[failed].failure.value().kind, FailureKind::transient) << failed;
  }
  EXPECT_TRUE(receiver.files[3].complete);
}

/// Writes into the file that is being read, and puts its mtime back.
class MeddlingReceiver final : public FileReceiver {
 public:
  MeddlingReceiver(std::string path, std::uint64_t size) : path_(std::move(path)), size_(size) {}
  std::optional<FetchRequest> next() override {
    if (std::exchange(asked_, true)) return std::nullopt;
    return FetchRequest{0, path_, 0, size_};
  }
  void data(std::size_t, std::span<const std::byte>) override {
    struct stat before {};
    ASSERT_EQ(::stat(path_.c_str(), &before), 0);
    std::fstream(path_, std::ios::in | std::ios::out) << "other";
    const timespec times[2] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  }
  void complete(std::size_t) override { completed = true; }
  void failed(std::size_t, const Failure& why) override { failure = why; }

  bool completed = false;
  std::optional<Failure> failure;

 private:
  std::string path_;
  std::uint64_t size_;
  bool asked_ = false;
};

TEST(LocalConnection, AFileThatChangesUnderARestoredMtimeWhileItIsReadFails) {
  const TemporaryDirectory directory;
  const std::string content(700'000, 'q');
  MeddlingReceiver receiver(directory.write("file", content), content.size());
  LocalConnection connection(directory.path());
  connection.fetch(receiver);
  EXPECT_FALSE(receiver.completed);
  EXPECT_EQ(receiver.failure.value().kind, FailureKind::transient);
}

TEST(LocalConnection, ReadingLeavesTheAccessTimeAlone) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("file", "abc");
  const timespec old[2] = {{1'000'000, 0},
                           {2'000'000, 0}};  // accessed before modified: relatime would touch it
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), old, 0), 0);
  LocalConnection connection(directory.path());
  CollectingReceiver receiver;
  receiver.want(file, 3);
  connection.fetch(receiver);
  struct stat status {};
  ::stat(file.c_str(), &status);
  EXPECT_EQ(status.st_atim.tv_sec, 1'000'000);
}

TEST(LocalConnection, TheMarkerIsANewEmptyFileWhateverStoodThere) {
  const TemporaryDirectory directory;
  const std::string precious = directory.write("precious", "do not lose this");
  std::filesystem::create_directory(directory / "collect");
  LocalConnection connection(directory / "collect");
  const std::string marker = directory / "collect/cback.stage";

  connection.write_marker(marker);
  EXPECT_EQ(connection.lstat(marker)->size, 0U);

  std::filesystem::remove(marker);
  std::filesystem::create_symlink("../precious", marker);
  connection.write_marker(marker);
  EXPECT_EQ(connection.lstat(marker)->type, FileType::regular);

  std::filesystem::remove(marker);
  std::filesystem::create_hard_link(precious, marker);
  connection.write_marker(marker);
  EXPECT_EQ(std::filesystem::file_size(precious), 16U);
}

TEST(LocalConnection, AMarkerThatCannotBeWrittenIsAnError) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "cback.stage");
  LocalConnection connection(directory.path());
  EXPECT_THROW(connection.write_marker(directory / "cback.stage"), PeerError);
  EXPECT_THROW(connection.write_marker(directory / "missing/cback.stage"), PeerError);
}

}  // namespace
}  // namespace peerstage::peers
