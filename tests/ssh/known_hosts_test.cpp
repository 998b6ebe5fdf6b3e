#include "peers/ssh/known_hosts.h"

#include <cerrno>
#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peers/failure.h"
#include "tests/support/failing_system_call.h"
#include "tests/support/in_child.h"
#include "tests/support/sshd.h"

namespace peerstage::peers::ssh {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Public keys made by ssh-keygen(1), and what it says about them.
const std::string key_a = "AAAAC3NzaC1lZDI1NTE5AAAAIHAbU7Vh2z2WvTHZrQKgJnQmDvC4Ksz9Ghl3YqBv7H4x";
const std::string key_b = "AAAAC3NzaC1lZDI1NTE5AAAAIEXAbU7Vh2z2WvTHZrQKgJnQmDvC4Ksz9Ghl3YqBv7Hw";

struct Case {
  const char* name;
  std::string host;  ///< as known_hosts writes it
  std::string text;
  HostKeyVerdict verdict;
  int line = 0;
};

class Judge : public testing::TestWithParam<Case> {};

TEST_P(Judge, Decides) {
  const Case& c = GetParam();
  const HostKeyJudgement judgement =
      judge({{"known_hosts", c.text}}, {c.host, "ssh-ed25519", key_a, "SHA256:x"});
  EXPECT_EQ(judgement.verdict, c.verdict);
  EXPECT_EQ(judgement.line, c.line);
  EXPECT_EQ(judgement.file, c.line == 0 ? "" : "known_hosts");
}

const std::string is_a = " ssh-ed25519 " + key_a + "\n";
const std::string is_b = " ssh-ed25519 " + key_b + "\n";

INSTANTIATE_TEST_SUITE_P(
    Table, Judge,
    testing::Values(
        Case{"Empty", "web1", "", HostKeyVerdict::unknown},
        Case{"Comments", "web1", "# web1" + is_a + "\n  \n", HostKeyVerdict::unknown},
        Case{"Plain", "web1", "db1" + is_b + "web1" + is_a, HostKeyVerdict::ok, 2},
        Case{"WithoutLastNewline", "web1", "web1 ssh-ed25519 " + key_a, HostKeyVerdict::ok, 1},
        Case{"CarriageReturn", "web1", "web1 ssh-ed25519 " + key_a + "\r\n", HostKeyVerdict::ok, 1},
        Case{"WithComment", "web1", "web1 ssh-ed25519 " + key_a + " root@web1\n", HostKeyVerdict::ok, 1},
        Case{"OneOfSeveralNames", "web1", "www,web1,10.0.0.1" + is_a, HostKeyVerdict::ok, 1},
        Case{"UpperCaseInFile", "web1", "WEB1" + is_a, HostKeyVerdict::ok, 1},
        Case{"NotASubstring", "web1", "web10,xweb1" + is_a, HostKeyVerdict::unknown},
        Case{"Star", "web1.example.org", "*.example.org" + is_a, HostKeyVerdict::ok, 1},
        Case{"QuestionMark", "web1", "web?" + is_a, HostKeyVerdict::ok, 1},
        Case{"Negated", "web1", "web*,!web1" + is_a, HostKeyVerdict::unknown},
        Case{"OnlyNegated", "web1", "!db1" + is_a, HostKeyVerdict::unknown},
        Case{"OtherPort", "[web1]:2222", "[web1]:2222" + is_a, HostKeyVerdict::ok, 1},
        Case{"PortOfAnother", "[web1]:2222", "[web1]:2223,web1" + is_a, HostKeyVerdict::unknown},
        Case{"StarWithPort", "[web1]:2222", "[*]:2222" + is_a, HostKeyVerdict::ok, 1},
        Case{"Changed", "web1", "web1" + is_b, HostKeyVerdict::changed, 1},
        Case{"ChangedButAlsoKnown", "web1", "web1" + is_b + "web1" + is_a, HostKeyVerdict::ok, 2},
        Case{"KnownThenOther", "web1", "web1" + is_a + "web1" + is_b, HostKeyVerdict::ok, 1},
        Case{"ChangedNamesTheFirst", "web1", "web1" + is_b + "web1" + is_b, HostKeyVerdict::changed, 1},
        Case{"OtherTypeIsAChange", "web1", "web1 ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB\n", HostKeyVerdict::changed,
             1},
        Case{"Revoked", "web1", "@revoked *" + is_a, HostKeyVerdict::revoked, 1},
        Case{"RevokedThoughKnown", "web1", "web1" + is_a + "@revoked web1" + is_a, HostKeyVerdict::revoked,
             2},
        Case{"AnotherKeyRevoked", "web1", "@revoked *" + is_b + "web1" + is_a, HostKeyVerdict::ok, 2},
        Case{"OnlyAnotherKeyRevoked", "web1", "@revoked *" + is_b, HostKeyVerdict::unknown},
        Case{"Authority", "web1", "@cert-authority *" + is_a, HostKeyVerdict::unknown},
        Case{"UnknownMarker", "web1", "@trusted web1" + is_a, HostKeyVerdict::unknown},
        Case{"MissingKey", "web1", "web1 ssh-ed25519\nweb1\n", HostKeyVerdict::unknown},
        // ssh-keygen -H of "web1" and "[web1]:2222" with the salt AQIDBAUGBwgJCgsMDQ4PEBESExQ=
        Case{"Hashed", "web1", "|1|AQIDBAUGBwgJCgsMDQ4PEBESExQ=|AbVSdRCtB9UValAgM3m3OJ4Cz9E=" + is_a,
             HostKeyVerdict::ok, 1},
        Case{"HashedWithPort", "[web1]:2222",
             "|1|AQIDBAUGBwgJCgsMDQ4PEBESExQ=|8IAhaEQ3UiefSDDN3krJinG2jMw=" + is_a, HostKeyVerdict::ok, 1},
        Case{"HashedOfAnother", "db1", "|1|AQIDBAUGBwgJCgsMDQ4PEBESExQ=|AbVSdRCtB9UValAgM3m3OJ4Cz9E=" + is_a,
             HostKeyVerdict::unknown},
        Case{"HashedBroken", "web1",
             "|1|###|AbVSdRCtB9UValAgM3m3OJ4Cz9E=" + is_a + "|1|" + is_a + "|2|AQ==|AQ==" + is_a,
             HostKeyVerdict::unknown}),
    [](const auto& test) { return test.param.name; });

TEST(Judgement, OfSeveralFilesCountsAsOne) {
  const std::vector<KnownHostsFile> files{{"user", "web1" + is_b}, {"global", "web1" + is_a}};
  EXPECT_EQ(judge(files, {"web1", "ssh-ed25519", key_a, ""}).file, "global");
}

TEST(Judgement, OfAChangedKeyNamesTheKnownOne) {
  const auto judgement = judge({{"f", "\nweb1" + is_b}}, {"web1", "ssh-ed25519", key_a, ""});
  EXPECT_EQ(judgement.known_fingerprint, fingerprint(key_b));
  EXPECT_EQ(judgement.line, 2);
}

TEST(Judgement, SaysThatAnAuthorityIsLeftOut) {
  const auto judgement = judge({{"f", "@cert-authority *" + is_a}}, {"web1", "ssh-ed25519", key_a, ""});
  EXPECT_THAT(judgement.notes, ElementsAre(HasSubstr("f:1: ")));
}

TEST(KnownKeyTypes, AreThoseOfTheHostOnly) {
  const std::string text = "web1 ssh-rsa AAAA\ndb1 ecdsa-sha2-nistp256 AAAA\nweb1" + is_a +
                           "@revoked web1 ssh-dss A\nweb1 ssh-rsa BBBB\n";
  EXPECT_THAT(known_key_types({{"f", text}}, "web1"), ElementsAre("ssh-rsa", "ssh-ed25519"));
  EXPECT_THAT(known_key_types({{"f", text}}, "other"), IsEmpty());
}

TEST(KnownHostsName, HasThePortUnlessItIs22) {
  EXPECT_EQ(known_hosts_name("Web1", 22), "web1");
  EXPECT_EQ(known_hosts_name("web1", 2222), "[web1]:2222");
  EXPECT_EQ(known_hosts_name("::1", 2222), "[::1]:2222");
}

TEST(Fingerprint, IsThatOfSshKeygen) {
  EXPECT_EQ(fingerprint(key_a), "SHA256:Ay0GNDKrK7IwY7R/bk0h13FNeYpup92+kvcO4juSiyA");
  EXPECT_EQ(fingerprint("no base64"), "");
}

TEST(AppendKnownHost, MakesFileAndDirectoryPrivate) {
  const test::TemporaryDirectory home;
  const std::string file = home / ".ssh/known_hosts";
  append_known_host(file, {"web1", "ssh-ed25519", key_a, ""});
  EXPECT_EQ(test::read_text(file), "web1" + is_a);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  ASSERT_EQ(::stat((home / ".ssh").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST(AppendKnownHost, KeepsWhatIsThereAndEndsAnOpenLine) {
  const test::TemporaryDirectory home;
  const std::string file = home.write("known_hosts", "db1 ssh-rsa AAAA");
  append_known_host(file, {"web1", "ssh-ed25519", key_a, ""});
  append_known_host(file, {"web2", "ssh-ed25519", key_b, ""});
  EXPECT_EQ(test::read_text(file), "db1 ssh-rsa AAAA\nweb1" + is_a + "web2" + is_b);
}

TEST(AppendKnownHost, RefusesASymbolicLink) {
  const test::TemporaryDirectory home;
  const std::string target = home.write("target", "untouched");
  ASSERT_EQ(::symlink(target.c_str(), (home / "known_hosts").c_str()), 0);
  EXPECT_THROW(append_known_host(home / "known_hosts", {"web1", "ssh-ed25519", key_a, ""}), PeerError);
  EXPECT_EQ(test::read_text(target), "untouched");
}

std::string failure_of_append(const std::string& file) {
  try {
    append_known_host(file, {"web1", "ssh-ed25519", key_a, ""});
  } catch (const PeerError& error) {
    return error.what();
  }
  return "";
}

TEST(AppendKnownHost, LeavesNoHalfKeyOnAFullDisk) {
  const test::TemporaryDirectory home;
  const std::string before = "db1" + is_b;
  const std::string file = home.write("known_hosts", before);
  EXPECT_TRUE(test::in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{before.size() + 30, before.size() + 30};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    return failure_of_append(file).find("cannot write " + file) != std::string::npos;
  }));
  EXPECT_EQ(test::read_text(file), before);
}

TEST(AppendKnownHost, SaysWhereHalfAKeyIsLeft) {
  const test::TemporaryDirectory home;
  const std::string file = home.write("known_hosts", "");
  EXPECT_TRUE(test::in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{30, 30};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    test::fail_system_call(SYS_ftruncate, EACCES);
    const std::string message = failure_of_append(file);
    return message.find("cannot write " + file) != std::string::npos &&
           message.find("may be half a key now, which cannot be taken back (Permission denied): remove it") !=
               std::string::npos;
  }));
}

TEST(MakeKnownHosts, LeavesWhatIsThere) {
  const test::TemporaryDirectory home;
  const std::string file = home.write("known_hosts", "db1 ssh-rsa AAAA");
  make_known_hosts(file);
  EXPECT_EQ(test::read_text(file), "db1 ssh-rsa AAAA");
}

TEST(AppendKnownHost, SaysWhatTheDiskRefuses) {
  const test::TemporaryDirectory home;
  EXPECT_THAT(failure_of_append(home / "no/such/directory/known_hosts"),
              HasSubstr("cannot make the directory " + home / "no/such/directory: No such file"));
  EXPECT_TRUE(test::in_child([&] {
    test::fail_system_call(SYS_fsync, EIO);
    return failure_of_append(home / "known_hosts").find("known_hosts durable: Input/output error") !=
           std::string::npos;
  }));
}

TEST(AppendKnownHost, TakesTheNullDeviceForAFile) {
  EXPECT_NO_THROW(append_known_host("/dev/null", {"web1", "ssh-ed25519", key_a, ""}));
}

TEST(ReadKnownHosts, LeavesOutMissingFilesAndRefusesOthersThanRegularOnes) {
  const test::TemporaryDirectory home;
  EXPECT_THAT(read_known_hosts({home / "missing"}), IsEmpty());
  EXPECT_THAT(judge(read_known_hosts({"/dev/null"}), {"web1", "t", key_a, ""}).file, IsEmpty());
  ASSERT_EQ(::mkfifo((home / "fifo").c_str(), 0600), 0);
  EXPECT_THROW(read_known_hosts({home / "fifo"}), PeerError);
}

}  // namespace
}  // namespace peerstage::peers::ssh
