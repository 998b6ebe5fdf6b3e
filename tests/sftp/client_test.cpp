#include "peers/sftp/client.h"

#include <functional>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers::sftp {
namespace {

using test::FakeSftpServer;
using test::wire;
using test::wire_string;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint8_t lstat_request = 7, extended_request = 200;

/// What doing this says when it fails, with the kind in front.
std::string failure_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const PeerError& error) {
    return std::string(to_string(error.kind())) + ": " + error.what();
  }
  return "no failure";
}

TEST(Handshake, TakesVersionThreeOnly) {
  for (const std::uint32_t version : {0U, 2U, 4U, 6U, 0xffffffffU}) {
    FakeSftpServer server;
    server.version = version;
    EXPECT_EQ(failure_of([&] { Client(server, "web1", server); }),
              "permanent: the SFTP server of web1 speaks version " + std::to_string(version) +
                  " of the protocol, and only version 3 is understood here");
  }
}

TEST(Handshake, SurvivesThousandsOfExtensions) {
  FakeSftpServer server;
  for (int i = 0; i < 5000; ++i) server.extensions.emplace_back("extension" + std::to_string(i), "1");
  server.extensions.emplace_back("limits@openssh.com", "1");
  Client client(server, "web1", server);
  EXPECT_FALSE(client.lstat("/missing"));
  EXPECT_THAT(server.calls, ElementsAre("EXTENDED limits@openssh.com", "LSTAT /missing"));
}

TEST(Handshake, ExplainsALoginScriptThatPrints) {
  FakeSftpServer server;
  server.noise = "Last login: yesterday\n";
  EXPECT_THAT(failure_of([&] { Client(server, "web1", server); }),
              HasSubstr("permanent: web1 did not begin an SFTP session but sent \"Last login: yesterday"));
}

TEST(Handshake, DoesWithoutLimitsThatAreOfferedAndRefused) {
  FakeSftpServer server;
  server.extensions = {{"limits@openssh.com", "1"}};
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request != extended_request) return;
    reply.type = 101;
    reply.body = wire(8);
  };
  Client client(server, "web1", server);
  EXPECT_FALSE(client.lstat("/missing"));
}

TEST(Lstat, TellsTheFileItselfAndAbsence) {
  FakeSftpServer server;
  server.add_file("/file", "12345").modified = 99;
  server.add_symlink("/link");
  Client client(server, "web1", server);
  EXPECT_EQ(client.lstat("/file"), (FileInfo{FileType::regular, 5, 0644, std::chrono::seconds(99)}));
  EXPECT_EQ(client.lstat("/link")->type, FileType::symlink);
  EXPECT_EQ(client.lstat("/missing"), std::nullopt);
}

TEST(Lstat, RepeatsTheServersWordsPrintableAndShort) {
  FakeSftpServer server;
  std::uint32_t code = 3;
  std::string text = "Permission denied";
  server.tamper = [&](FakeSftpServer::Reply& reply) {
    reply.type = 101;
    reply.body = wire(code) + wire_string(text) + wire_string("");
  };
  Client client(server, "web1", server);
  const auto message = [&] { return failure_of([&] { client.lstat("/a\x1b[31m"); }); };
  EXPECT_EQ(message(), "permanent: cannot look at '/a\\x1b[31m' on web1: permission denied");
  text = "";
  EXPECT_EQ(message(), "permanent: cannot look at '/a\\x1b[31m' on web1: permission denied");
  text = "\x1b]0;owned\x07";
  EXPECT_EQ(message(),
            "permanent: cannot look at '/a\\x1b[31m' on web1: permission denied (the server says "
            "\"\\x1b]0;owned\\x07\")");
  text = std::string(100'000, 'x');
  EXPECT_LT(message().size(), 400U);
}

TEST(Lstat, SaysWhatTheServersStatusMeansAndWhetherItPasses) {
  FakeSftpServer server;
  std::uint32_t code = 0;
  server.tamper = [&](FakeSftpServer::Reply& reply) {
    reply.type = 101;
    reply.body = wire(code) + wire_string("") + wire_string("");
  };
  Client client(server, "web1", server);
  const std::map<std::uint32_t, std::string> meanings = {
      {1, "permanent: cannot look at '/a' on web1: end of file"},
      {4, "permanent: cannot look at '/a' on web1: failure"},
      {5, "permanent: cannot look at '/a' on web1: bad message"},
      {6, "transient: cannot look at '/a' on web1: no connection"},
      {7, "transient: cannot look at '/a' on web1: connection lost"},
      {8, "permanent: cannot look at '/a' on web1: operation unsupported"},
      {77, "permanent: cannot look at '/a' on web1: unknown status 77"}};
  for (const auto& [number, sentence] : meanings) {
    code = number;
    EXPECT_EQ(failure_of([&] { client.lstat("/a"); }), sentence);
  }
}

class MarkerTest : public testing::Test {
 protected:
  MarkerTest() { server.extensions = {{"fsync@openssh.com", "1"}}; }
  std::string write() {
    return failure_of([&] { Client(server, "web1", server).write_marker("/m"); });
  }
  void expect_marker() {
    ASSERT_TRUE(server.tree.contains("/m"));
    EXPECT_EQ(server.tree["/m"].mode & S_IFMT, static_cast<unsigned>(S_IFREG));
    EXPECT_EQ(server.tree["/m"].content, "");
    EXPECT_EQ(server.open_handles(), 0U);
  }
  FakeSftpServer server;
};

TEST_F(MarkerTest, IsMadeSyncedClosedAndLookedAt) {
  EXPECT_EQ(write(), "no failure");
  expect_marker();
  EXPECT_THAT(server.calls,
              ElementsAre("LSTAT /m", "OPEN /m", "EXTENDED fsync@openssh.com", "CLOSE /m", "LSTAT /m"));
}

TEST_F(MarkerTest, IsNotSyncedWhereTheServerCannot) {
  server.extensions.clear();
  EXPECT_EQ(write(), "no failure");
  expect_marker();
  EXPECT_EQ(server.count("EXTENDED"), 0U);
}

TEST_F(MarkerTest, ReplacesTheContentOfAnOldOne) {
  server.add_file("/m", "from yesterday");
  EXPECT_EQ(write(), "no failure");
  expect_marker();
}

TEST_F(MarkerTest, TakesTheNameFromASymlink) {
  server.add_symlink("/m");
  EXPECT_EQ(write(), "no failure");
  expect_marker();
  EXPECT_EQ(server.count("REMOVE /m"), 1U);
}

TEST_F(MarkerTest, TouchesNothingElseOfThatName) {
  struct Case {
    std::uint32_t mode;
    const char* says;
  };
  for (const Case& one :
       {Case{S_IFDIR | 0755, "there is a directory of that name"}, Case{S_IFIFO | 0644, "there is a fifo"},
        Case{S_IFSOCK | 0644, "there is a socket"}, Case{S_IFBLK | 0644, "there is a device"}}) {
    server.calls.clear();
    server.tree["/m"].mode = one.mode;
    const std::string failure = write();
    EXPECT_THAT(failure, HasSubstr("permanent: cannot write the marker '/m' on web1: "));
    EXPECT_THAT(failure, HasSubstr(one.says));
    EXPECT_THAT(server.calls, ElementsAre("LSTAT /m", "OPEN /m"));  // to be created, or refused
  }
}

TEST_F(MarkerTest, IsNotBelievedWhenAnyStepFails) {
  struct Case {
    const char* name;
    std::function<void(FakeSftpServer&)> spoil;
    const char* says;
  };
  const Case cases[] = {
      {"no permission", [](FakeSftpServer& s) { s.add_file("/m", "").open_status = 3; },
       "permanent: cannot write the marker '/m' on web1: permission denied"},
      {"fsync fails", [](FakeSftpServer& s) { s.fsync_status = 4; },
       "permanent: cannot write the marker '/m' on web1 durably: failure"},
      {"close fails", [](FakeSftpServer& s) { s.close_status = 4; },
       "permanent: cannot write the marker '/m' on web1: failure"},
      {"it is gone afterwards",
       [](FakeSftpServer& s) {
         s.tamper = [](FakeSftpServer::Reply& reply) {
           if (reply.request != lstat_request) return;
           reply.type = 101;
           reply.body = wire(2);
         };
       },
       "permanent: the marker '/m' on web1 was written, but is not an empty regular file now"},
      {"it is not empty afterwards", [](FakeSftpServer& s) { s.add_file("/m", "").listed_size = 1; },
       "permanent: the marker '/m' on web1 was written, but is not an empty regular file now"},
      {"the line breaks before the answer",
       [](FakeSftpServer& s) {
         s.tamper = [](FakeSftpServer::Reply& reply) { reply.cut = reply.request == extended_request; };
       },
       "transient: the SFTP server of web1 ended the session in the middle of the work"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    FakeSftpServer spoiled;
    spoiled.extensions = server.extensions;
    one.spoil(spoiled);
    EXPECT_EQ(failure_of([&] { Client(spoiled, "web1", spoiled).write_marker("/m"); }), one.says);
  }
}

TEST_F(MarkerTest, ThatFailedLeavesASessionThatCanBeUsed) {
  server.fsync_status = 4;
  Client client(server, "web1", server);
  EXPECT_THROW(client.write_marker("/m"), PeerError);
  EXPECT_EQ(server.open_handles(), 0U);
  server.fsync_status = 0;
  EXPECT_NO_THROW(client.write_marker("/m"));
}

}  // namespace
}  // namespace peerstage::peers::sftp
