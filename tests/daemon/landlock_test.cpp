#include "daemon/landlock.h"

#include <array>
#include <cstdio>
#include <functional>
#include <sched.h>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/auto_fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/in_child.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using testing::HasSubstr;

/// The part of automount(8) that mounts: once, and it does not wait for long.
[[noreturn]] void serve_mounts(const std::string& place, int questions, int kernels_end, int ready) {
  ::alarm(10);
  ::setpgid(0, 0);
  const std::string options = "fd=" + std::to_string(kernels_end) + ",pgrp=" + std::to_string(::getpid()) +
                              ",minproto=5,maxproto=5,direct";
  if (::mount("test", place.c_str(), "autofs", 0, options.c_str()) != 0) ::_exit(1);
  const int root = ::open(place.c_str(), O_RDONLY | O_DIRECTORY);
  ::close(kernels_end);
  if (::write(ready, "x", 1) != 1) ::_exit(1);
  autofs_v5_packet question{};
  if (::read(questions, &question, sizeof question) > 0) {
    ::mount("test", place.c_str(), "tmpfs", 0, nullptr);
    ::ioctl(root, AUTOFS_IOC_READY, question.wait_queue_token);
  }
  ::_exit(0);
}

/// False: nothing can be mounted here.
bool mount_when_asked(const std::string& place) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return false;
  std::array<int, 2> questions{}, answers{};
  if (::pipe(questions.data()) != 0 || ::pipe(answers.data()) != 0) return false;
  if (::fork() == 0) serve_mounts(place, questions[0], questions[1], answers[1]);
  ::close(questions[1]);
  ::close(answers[1]);
  char ready = 0;
  return ::read(answers[0], &ready, 1) == 1;
}

class LandlockRules : public testing::Test {
 protected:
  void SetUp() override {
    if (landlock_version() < usable_landlock_version) GTEST_SKIP() << "this kernel has no usable Landlock";
  }
};

TEST_F(LandlockRules, AreAboutWhatIsMountedWhenItIsAskedFor) {
  const test::TemporaryDirectory directory;
  EXPECT_TRUE(test::in_child([&] {
    const std::string place = directory.path();
    if (!mount_when_asked(place)) {
      std::fprintf(stderr, "nothing can be mounted here: not tried\n");
      return true;
    }
    ::alarm(20);
    Landlock landlock(Landlock::Ports::free);
    landlock.allow(place, FileAccess::mark);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    landlock.enforce();
    return ::open((place + "/cback.stage").c_str(), O_WRONLY | O_CREAT, 0600) >= 0;
  }));
}

TEST_F(LandlockRules, PassOverWhatIsNotThere) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "");
  ASSERT_EQ(::symlink("loop", (directory / "loop").c_str()), 0);
  Landlock landlock(Landlock::Ports::free);
  for (const char* name : {"missing", "file/below", "loop", "file"})
    EXPECT_NO_THROW(landlock.allow(directory / name, FileAccess::read)) << name;
}

std::string error_of(const std::function<void()>& what) {
  try {
    what();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(LandlockRules, NameThePlaceThatCannotHaveOne) {
  const test::TemporaryDirectory directory;
  Landlock landlock(Landlock::Ports::free);
  const std::string too_long = directory / std::string(300, 'x');
  EXPECT_THAT(error_of([&] { landlock.allow(too_long, FileAccess::read); }),
              HasSubstr("cannot open " + too_long + " for Landlock: File name too long"));
  const int not_a_place = ::memfd_create("nowhere", MFD_CLOEXEC);
  EXPECT_THAT(error_of([&] { landlock.allow(not_a_place, FileAccess::read); }),
              HasSubstr("cannot name /memfd:nowhere (deleted) to Landlock"));
  ::close(not_a_place);
}

}  // namespace
}  // namespace peerstage::daemon
