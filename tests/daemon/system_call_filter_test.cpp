#include "daemon/system_call_filter.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/in_child.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

/// The judgements of a child behind the filter; it says which do not hold.
class Judge {
 public:
  void refused(const char* what, long result) { expect(what, result < 0 && errno == EPERM); }
  void unknown(const char* what, long result) { expect(what, result < 0 && errno == ENOSYS); }
  void let(const char* what, long result) { expect(what, result >= 0); }
  bool is_content() const { return content_; }

 private:
  void expect(const char* what, bool holds) {
    if (!holds)
      std::fprintf(stderr, "not so: %s (%s)\n", what, std::generic_category().message(errno).c_str());
    content_ = content_ && holds;
  }
  bool content_ = true;
};

bool behind_filter(const SystemCallRules& rules, const std::function<void(Judge&)>& check) {
  return test::in_child([&] {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    filter_system_calls(rules);
    Judge judge;
    check(judge);
    return judge.is_content();
  });
}

TEST(SystemCallFilter, OpensNothingWithoutAccess) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    judge.refused("openat", ::syscall(SYS_openat, AT_FDCWD, file.c_str(), O_ACCMODE | O_CLOEXEC));
    open_how how{};
    judge.unknown("openat2", ::syscall(SYS_openat2, AT_FDCWD, file.c_str(), &how, sizeof how));
    judge.let("to read", ::open(file.c_str(), O_RDONLY));
    judge.let("to write", ::open(file.c_str(), O_WRONLY | O_TRUNC));
    judge.let("for both", ::open(file.c_str(), O_RDWR));
    judge.let("as a place", ::open(file.c_str(), O_PATH));
  }));
}

#ifdef SYS_open
TEST(SystemCallFilter, KnowsNoCallThatIsNewerThanItsList) {
  constexpr long fchmodat2 = 452, cachestat = 451;  // of Linux 6.5 and 6.6
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    judge.unknown("cachestat", ::syscall(cachestat, -1, nullptr, nullptr, 0));
    judge.unknown("fchmodat2", ::syscall(fchmodat2, AT_FDCWD, file.c_str(), 0600, 0));
    judge.let("getppid", ::syscall(SYS_getppid));
  }));
}

TEST(SystemCallFilter, RefusesTheSameToTheCallsOfOldArchitectures) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content"), fresh = directory / "fresh";
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    judge.refused("open without access", ::syscall(SYS_open, file.c_str(), O_ACCMODE));
    judge.refused("open", ::syscall(SYS_open, fresh.c_str(), O_WRONLY | O_CREAT, 04755));
    judge.refused("creat", ::syscall(SYS_creat, fresh.c_str(), 04755));
    judge.refused("mkdir", ::syscall(SYS_mkdir, fresh.c_str(), 01777));
    judge.let("open with a mode that is none", ::syscall(SYS_open, file.c_str(), O_RDONLY, 04755));
  }));
}
#endif

TEST(SystemCallFilter, CutsNothingThatIsOpenedForReading) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  SystemCallRules rules;
  rules.landlock_knows_truncating = false;
  EXPECT_TRUE(behind_filter(rules, [&](Judge& judge) {
    judge.refused("to read", ::open(file.c_str(), O_RDONLY | O_TRUNC));
    judge.refused("for nothing", ::open(file.c_str(), O_ACCMODE | O_TRUNC));
    judge.let("to write", ::open(file.c_str(), O_WRONLY | O_TRUNC));
  }));
}

constexpr std::array<mode_t, 3> special_modes = {S_ISUID, S_ISGID, S_ISVTX};

TEST(SystemCallFilter, GivesNoFileTheRightsOfItsOwner) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    const int own = ::open(file.c_str(), O_RDONLY);
    judge.let("a mode", ::fchmod(own, 0777));
    for (const mode_t bit : special_modes) {
      const std::string fresh = directory / ("fresh" + std::to_string(bit));
      judge.refused("fchmod", ::fchmod(own, bit | 0755));
      judge.refused("openat", ::openat(AT_FDCWD, fresh.c_str(), O_WRONLY | O_CREAT, bit | 0755));
      judge.refused("a file without a name",
                    ::openat(AT_FDCWD, (directory / ".").c_str(), O_WRONLY | O_TMPFILE, bit | 0755));
      judge.refused("mkdirat", ::mkdirat(AT_FDCWD, fresh.c_str(), bit | 0755));
    }
    judge.let("a file", ::open((directory / "new").c_str(), O_WRONLY | O_CREAT, 0777));
    judge.let("a directory", ::mkdir((directory / "directory").c_str(), 0777));
  }));
}

TEST(SystemCallFilter, LeavesTimesAndAttributesAsTheyAre) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    const int own = ::open(file.c_str(), O_RDWR);
    judge.refused("times", ::futimens(own, nullptr));
    judge.refused("times by path", ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0));
    judge.refused("attributes", ::fremovexattr(own, "user.any"));
  }));
}

constexpr std::array<int, 5> other_protocols = {IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_MPTCP,
                                                256};  // SMC

TEST(SystemCallFilter, ConnectsOverNothingButTheProtocolsThatHaveRules) {
  SystemCallRules rules;
  rules.network = Network::allowed;
  EXPECT_TRUE(behind_filter(rules, [&](Judge& judge) {
    for (const int family : {AF_INET, AF_INET6}) {
      judge.let("TCP", ::socket(family, SOCK_STREAM, 0));
      judge.let("TCP by its name", ::socket(family, SOCK_STREAM, IPPROTO_TCP));
      judge.let("UDP", ::socket(family, SOCK_DGRAM, IPPROTO_UDP));
      for (const int protocol : other_protocols)
        judge.refused("another protocol", ::socket(family, SOCK_STREAM, protocol));
    }
    judge.let("the routes", ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    judge.refused("the devices", ::socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    judge.refused("sendto", ::sendto(socket, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, nullptr, 0));
    mmsghdr message{};
    judge.refused("sendmsg", ::sendmsg(socket, &message.msg_hdr, MSG_FASTOPEN));
    judge.refused("sendmmsg", ::sendmmsg(socket, &message, 1, MSG_FASTOPEN));
  }));
}

TEST(SystemCallFilter, LetsGoOfNoLock) {
  const test::TemporaryDirectory directory;
  const std::string file = directory.write("file", "content");
  const int held = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  EXPECT_TRUE(behind_filter({}, [&](Judge& judge) {
    struct flock whole {};
    whole.l_type = F_UNLCK;
    judge.refused("unlock", ::flock(held, LOCK_UN));
    judge.refused("unlock at once", ::flock(held, LOCK_UN | LOCK_NB));
    judge.refused("share", ::flock(held, LOCK_SH));
    judge.refused("unlock a range", ::fcntl(held, F_OFD_SETLK, &whole));
    judge.refused("unlock a range patiently", ::fcntl(held, F_OFD_SETLKW, &whole));
    judge.let("lock", ::flock(held, LOCK_EX));
  }));
  ::close(held);
}

}  // namespace
}  // namespace peerstage::daemon
