#include "daemon/control/control_socket.h"

#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control/socket_address.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

namespace fs = std::filesystem;

/// A socket in a state that its file does not show.
peers::Descriptor bound_socket(const std::string& path) {
  peers::Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = SocketAddress::of(path);
  EXPECT_EQ(::bind(made.get(), address->get(), address->size()), 0);
  return made;
}

bool can_connect(const std::string& path) {
  const peers::Descriptor caller(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = SocketAddress::of(path);
  return ::connect(caller.get(), address->get(), address->size()) == 0;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

std::string refusal_of(const std::string& path) {
  try {
    const auto socket = ControlSocket::listen_at(path, {});
    return "";
  } catch (const ControlSocketError& error) {
    return error.what();
  }
}

class ControlSocketTest : public testing::Test {
 protected:
  test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "control.sock";
};

TEST_F(ControlSocketTest, IsForItsOwnerAloneAndGoneAtTheEnd) {
  {
    const auto socket = ControlSocket::listen_at(path_, {});
    EXPECT_EQ(status_of(path_).st_mode, static_cast<mode_t>(S_IFSOCK | 0600));
    EXPECT_TRUE(can_connect(path_));
    EXPECT_NE(::fcntl(socket.descriptor(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(socket.descriptor(), F_GETFL) & O_NONBLOCK, 0);
  }
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(fs::exists(path_ + ".lock"));
}

TEST_F(ControlSocketTest, IsOpenToItsGroupWhateverTheUmaskIs) {
  const mode_t before = ::umask(0777);
  const auto socket = ControlSocket::listen_at(path_, ::getegid());
  EXPECT_EQ(::umask(before), static_cast<mode_t>(0777)) << "the umask is put back";
  EXPECT_EQ(status_of(path_).st_mode, static_cast<mode_t>(S_IFSOCK | 0660));
  EXPECT_EQ(status_of(path_).st_gid, ::getegid());
}

TEST_F(ControlSocketTest, ReplacesTheSocketOfADaemonThatWasKilled) {
  bound_socket(path_).reset();
  const auto socket = ControlSocket::listen_at(path_, {});
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(ControlSocketTest, RefusesASecondDaemonAndLeavesTheFirstAlone) {
  const auto first = ControlSocket::listen_at(path_, {});
  EXPECT_THROW(ControlSocket::listen_at(path_, {}), AnotherDaemonListens);
  EXPECT_TRUE(can_connect(path_));
}

TEST_F(ControlSocketTest, RefusesWhereSomebodyListensWithoutTheLock) {
  const auto stranger = bound_socket(path_);
  ASSERT_EQ(::listen(stranger.get(), 0), 0);
  EXPECT_THROW(ControlSocket::listen_at(path_, {}), AnotherDaemonListens);
  EXPECT_THROW(ControlSocket::listen_at(path_, {}), AnotherDaemonListens) << "now its queue is full";
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(ControlSocketTest, LeavesAloneWhatIsNoSocket) {
  const std::string wanted = "cannot listen at the control socket " + path_ +
                             ": something that is no socket stands there; remove it by hand";
  directory_.write("control.sock", "precious");
  EXPECT_EQ(refusal_of(path_), wanted);
  EXPECT_EQ(fs::file_size(path_), 8U);
  fs::remove(path_);
  bound_socket(directory_ / "elsewhere").reset();
  fs::create_symlink(directory_ / "elsewhere", path_);
  EXPECT_EQ(refusal_of(path_), wanted) << "a symbolic link to a stale socket";
  EXPECT_TRUE(fs::exists(directory_ / "elsewhere"));
}

TEST_F(ControlSocketTest, DoesNotRemoveWhatIsNotItsOwnAnyMore) {
  {
    const auto socket = ControlSocket::listen_at(path_, {});
    fs::remove(path_);
    directory_.write("control.sock", "of somebody else");
  }
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(ControlSocketTest, DoesNotFollowALinkInPlaceOfItsLock) {
  fs::create_symlink(directory_ / "victim", path_ + ".lock");
  EXPECT_EQ(refusal_of(path_), "cannot listen at the control socket " + path_ + ": its lock " + path_ +
                                   ".lock cannot be opened: Too many levels of symbolic links");
  EXPECT_FALSE(fs::exists(directory_ / "victim"));
}

TEST_F(ControlSocketTest, SaysWhatIsWrongWithThePath) {
  const std::string longer = directory_ / std::string(100, 'a');
  EXPECT_EQ(refusal_of(longer), "cannot listen at the control socket " + longer +
                                    ": a path of a socket has at most 107 bytes, and is not empty");
  const std::string nowhere = directory_ / "no/control.sock";
  EXPECT_EQ(refusal_of(nowhere), "cannot listen at the control socket " + nowhere + ": its lock " + nowhere +
                                     ".lock cannot be opened: No such file or directory");
}

TEST_F(ControlSocketTest, LeavesNothingOpenWhenItFails) {
  directory_.write("control.sock", "precious");
  const auto before = test::open_descriptors();
  refusal_of(path_);
  EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(ControlSocketTest, TakesWhatTheServiceManagerPassesAndLeavesItsFile) {
  {
    auto passed = bound_socket(path_);
    ASSERT_EQ(::listen(passed.get(), 8), 0);
    const auto socket = ControlSocket::adopt(passed.release());
    EXPECT_NE(::fcntl(socket.descriptor(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_TRUE(can_connect(path_));
  }
  EXPECT_TRUE(fs::exists(path_));
  EXPECT_FALSE(can_connect(path_));
}

TEST_F(ControlSocketTest, TakesNothingElseFromTheServiceManager) {
  const auto not_listening = bound_socket(path_);
  const peers::Descriptor datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const peers::Descriptor internet(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::listen(internet.get(), 1);
  const peers::Descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const int descriptor : {not_listening.get(), datagrams.get(), internet.get(), file.get(), -1})
    EXPECT_THROW(ControlSocket::adopt(descriptor), ControlSocketError) << descriptor;
  EXPECT_GE(::fcntl(file.get(), F_GETFD), 0) << "what is refused is not closed";
}

}  // namespace
}  // namespace peerstage::daemon
