// The client against the real sftp-server of OpenSSH, without SSH in between.

#include <filesystem>
#include <map>
#include <random>
#include <spawn.h>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/sftp/client.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::sftp {
namespace {

namespace fs = std::filesystem;
using test::CollectingReceiver;

constexpr const char* server_program = "/usr/lib/openssh/sftp-server";

/// The server as a child, at the other end of a socket pair.
class ServerProcess final : public Transport {
 public:
  ServerProcess() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    socket_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char* const argv[] = {const_cast<char*>(server_program), nullptr};
    const int error = posix_spawn(&child_, server_program, &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (error != 0) throw std::runtime_error("posix_spawn");
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() override {
    ::close(socket_);
    waitpid(child_, nullptr, 0);
  }

  void kill() { ::kill(child_, SIGKILL); }

  void send(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) throw PeerError(FailureKind::transient, "the server is gone");
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }
  std::size_t receive(std::span<std::byte> buffer) override {
    const ssize_t count = ::read(socket_, buffer.data(), buffer.size());
    if (count < 0) throw PeerError(FailureKind::transient, "the server is gone");
    return static_cast<std::size_t>(count);
  }
  void answered() override {}

 private:
  int socket_ = -1;
  pid_t child_ = -1;
};

class OpensshServer : public testing::Test {
 protected:
  void SetUp() override {
    if (::access(server_program, X_OK) != 0) GTEST_SKIP() << server_program << " is not installed";
  }

  std::string random_content(std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() & 0xffU);
    return bytes;
  }

  const test::TemporaryDirectory directory;
  const fs::path root = directory.path();
  std::mt19937 random{20261120};
};

TEST_F(OpensshServer, GivesThousandsOfFilesAndABigOneByteForByte) {
  for (int i = 0; i < 2000; ++i)
    directory.write("small" + std::to_string(i), random_content(random() % 6000));
  directory.write("big", random_content(64U << 20U));
  directory.write("name with \xff\x01 bytes", "odd");
  ServerProcess server;
  Client client(server, "web1");
  CollectingReceiver receiver;
  for (const ListedEntry& entry : client.list(root.string(), {})) {
    EXPECT_EQ(entry.info.type, FileType::regular);
    receiver.want(root.string() + "/" + entry.name, entry.info.size.value());
  }
  ASSERT_EQ(receiver.files.size(), 2002U);
  client.fetch(receiver);
  EXPECT_EQ(receiver.completed(), 2002U);
  for (const auto& file : receiver.files)
    ASSERT_TRUE(file.content == test::read_text(file.request.path)) << file.request.path;
}

TEST_F(OpensshServer, TellsTypesSizesAndTimes) {
  directory.write("file", "12345");
  fs::permissions(root / "file", fs::perms(0640));
  const timespec times[2] = {{1, 0}, {1'234'567, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, (root / "file").c_str(), times, 0), 0);
  fs::create_symlink("file", root / "link");
  fs::create_directory(root / "directory");
  ASSERT_EQ(mkfifo((root / "fifo").c_str(), 0600), 0);
  ServerProcess server;
  Client client(server, "web1");
  EXPECT_EQ(client.lstat((root / "file").string()),
            (FileInfo{FileType::regular, 5, 0640, std::chrono::seconds(1'234'567)}));
  std::map<std::string, FileType> types;
  for (const ListedEntry& entry : client.list(root.string(), {})) types[entry.name] = entry.info.type;
  EXPECT_EQ(types, (std::map<std::string, FileType>{{"directory", FileType::directory},
                                                    {"fifo", FileType::fifo},
                                                    {"file", FileType::regular},
                                                    {"link", FileType::symlink}}));
  EXPECT_FALSE(client.lstat((root / "missing").string()));
  EXPECT_FALSE(client.lstat((root / "file" / "below").string()));
}

TEST_F(OpensshServer, FailsTheFilesThatItCannotReadAndNoOther) {
  fs::create_directory(root / "directory");
  directory.write("good", "good");
  directory.write("shrunk", "12");
  ServerProcess server;
  Client client(server, "web1");
  CollectingReceiver receiver;
  receiver.want((root / "directory").string(), 10);
  receiver.want((root / "missing").string(), 10);
  receiver.want((root / "shrunk").string(), 10);
  receiver.want((root / "good").string(), 4);
  client.fetch(receiver);
  EXPECT_EQ(receiver.files[0].failure->kind, FailureKind::permanent);
  EXPECT_EQ(receiver.files[1].failure->kind, FailureKind::transient);
  EXPECT_EQ(receiver.files[2].failure->kind, FailureKind::transient);
  EXPECT_EQ(receiver.files[3].content, "good");
}

TEST_F(OpensshServer, WritesTheMarkerAndNeverThroughALink) {
  directory.write("victim", "precious");
  fs::create_symlink(root / "victim", root / "marker");
  ServerProcess server;
  Client client(server, "web1");
  const std::string marker = (root / "marker").string();
  for (int run = 0; run < 2; ++run) {
    client.write_marker(marker);
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(marker)));
    EXPECT_EQ(fs::file_size(marker), 0U);
  }
  EXPECT_EQ(test::read_text(root / "victim"), "precious");
  EXPECT_THROW(client.write_marker((root / "no" / "such" / "directory").string()), PeerError);
  EXPECT_THROW(client.write_marker(root.string()), PeerError);
  EXPECT_TRUE(client.lstat(marker));
}

TEST_F(OpensshServer, ThatDiesIsATransientFailure) {
  directory.write("file", random_content(1 << 20U));
  ServerProcess server;
  Client client(server, "web1");
  server.kill();
  CollectingReceiver receiver;
  receiver.want((root / "file").string(), 1 << 20U);
  try {
    client.fetch(receiver);
    ADD_FAILURE() << "a dead server gave a file";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::transient);
  }
}

}  // namespace
}  // namespace peerstage::peers::sftp
