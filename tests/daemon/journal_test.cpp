#include "daemon/journal.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "daemon/message_ids.h"
#include "tests/daemon/environment.h"
#include "tests/support/datagram_socket.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using peers::EventLevel;
using SteadyClock = std::chrono::steady_clock;

TEST(Journal, takes_a_line_with_its_fields) {
  const test::DatagramSocket journald;
  Journal journal(journald.path());
  journal.write(EventLevel::error, "peer web1: failed = yes",
                {"web1", "20261120T013000Z-1", message_ids::peer_failed});
  EXPECT_EQ(journald.receive(),
            "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=3\nPEERSTAGE_PEER=web1\nPEERSTAGE_RUN=20261120T013000Z-1\n"
            "MESSAGE_ID=57bf19f1b5fc46078c369864f5229267\nMESSAGE=peer web1: failed = yes\n");
}

TEST(Journal, has_no_field_without_a_value) {
  const test::DatagramSocket journald;
  Journal journal(journald.path());
  journal.write(EventLevel::debug, "one", {});
  journal.write(EventLevel::info, "two", {});
  journal.write(EventLevel::warning, "three", {});
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=7\nMESSAGE=one\n");
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=6\nMESSAGE=two\n");
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=4\nMESSAGE=three\n");
}

TEST(Journal, takes_no_field_that_would_begin_another) {
  const test::DatagramSocket journald;
  Journal journal(journald.path());
  journal.write(EventLevel::info, "text", {"web1\nPRIORITY=0", {}, {}});
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=6\nMESSAGE=text\n");
}

TEST(Journal, that_is_gone_loses_lines_and_says_how_many_when_it_is_back) {
  const test::TemporaryDirectory directory;
  const test::DatagramSocket journald;
  const std::string path = directory / "socket";
  Journal journal(path);
  journal.write(EventLevel::info, "lost", {});
  journal.write(EventLevel::info, "lost, too", {});
  std::filesystem::create_symlink(journald.path(), path);
  journal.write(EventLevel::info, "back", {});
  EXPECT_EQ(
      journald.receive(),
      "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=4\nMESSAGE=the journal did not take 2 lines before this one\n");
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=6\nMESSAGE=back\n");
  EXPECT_EQ(journald.receive(), "");
}

TEST(Journal, that_does_not_read_is_not_waited_for) {
  const test::DatagramSocket journald;
  Journal journal(journald.path());
  const auto begun = SteadyClock::now();
  for (int i = 0; i < 10'000; ++i) journal.write(EventLevel::info, "line", {});
  EXPECT_LT(SteadyClock::now() - begun, 1s);
  int taken = 0;
  while (!journald.receive().empty()) ++taken;
  ASSERT_LT(taken, 10'000) << "the queue never was full";
  journal.write(EventLevel::info, "again", {});
  EXPECT_EQ(journald.receive(), "SYSLOG_IDENTIFIER=peerstage\nPRIORITY=4\nMESSAGE=the journal did not take " +
                                    std::to_string(10'000 - taken) + " lines before this one\n");
}

TEST(JournalStream, is_recognised_by_device_and_inode) {
  struct stat status {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &status), 0);
  const std::string device = std::to_string(status.st_dev), inode = std::to_string(status.st_ino);
  const auto recognised = [](const std::string& value) {
    const Environment stream("JOURNAL_STREAM", value);
    return goes_to_journal(STDERR_FILENO);
  };
  EXPECT_TRUE(recognised(device + ":" + inode));
  EXPECT_FALSE(recognised(device + ":" + inode + "1"));
  EXPECT_FALSE(recognised(""));
}

TEST(JournalStream, is_none_of_a_closed_descriptor) {
  const Environment stream("JOURNAL_STREAM", "0:0");
  EXPECT_FALSE(goes_to_journal(-1));
}

}  // namespace
}  // namespace peerstage::daemon
