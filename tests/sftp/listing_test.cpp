#include "peers/sftp/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "peers/sftp/client.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers::sftp {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::FakeSftpServer;
using test::wire;
using test::wire_string;
using testing::HasSubstr;

constexpr std::uint8_t opendir_request = 11, readdir_request = 12, close_request = 4;

class ListingTest : public testing::Test {
 protected:
  ListingTest() { server.add_directory("/dir"); }

  void add_files(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      server.add_file("/dir/" + std::to_string(i), std::string(i % 7, 'x')).modified =
          static_cast<std::uint32_t>(i);
  }

  std::vector<ListedEntry> list(const ListLimits& limits = {}) {
    return Client(server, "web1", server).list("/dir", limits);
  }

  void expect_failure(FailureKind kind, const std::string& says, const ListLimits& limits = {}) {
    try {
      list(limits);
      ADD_FAILURE() << "the listing was accepted";
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_THAT(error.what(), HasSubstr(says));
    }
  }

  FakeSftpServer server;
};

TEST_F(ListingTest, AnEmptyDirectoryIsEmpty) {
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(server.open_handles(), 0U);
}

TEST_F(ListingTest, EveryEntryComesWithWhatTheServerTells) {
  add_files(12'345);
  server.tree["/dir/link"].mode = S_IFLNK | 0777;
  const auto entries = list();
  ASSERT_EQ(entries.size(), 12'346U);
  for (const ListedEntry& entry : entries) {
    const auto& node = server.tree.at("/dir/" + entry.name);
    EXPECT_EQ(entry.info,
              (FileInfo{entry.name == "link" ? FileType::symlink : FileType::regular, node.content.size(),
                        node.mode & 07777U, std::chrono::seconds(node.modified)}));
  }
  EXPECT_EQ(server.open_handles(), 0U);
}

TEST_F(ListingTest, OnlyTheTwoDotNamesAreDroppedAndBadNamesPassRaw) {
  const std::vector<std::string> names = {"...", ".hidden", "a\0b"s, "\x1b[31m", "\xff", "..x"};
  for (const std::string& name : names) server.add_file("/dir/" + name, "");
  server.tamper = [&](FakeSftpServer::Reply& reply) {
    if (reply.request != readdir_request || reply.nth != 1) return;
    reply.type = 104;  // names that a file system could not hold, and one twice
    reply.body = wire(4);
    for (const char* name : {"", "../../etc/cron.d/x", "...", "."})
      reply.body += wire_string(name) + wire_string("") + wire(0);
  };
  std::vector<std::string> listed;
  for (const ListedEntry& entry : list()) listed.push_back(entry.name);
  std::vector<std::string> expected = names;
  expected.insert(expected.end(), {"", "../../etc/cron.d/x", "..."});
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(expected));
}

TEST_F(ListingTest, AnswersInAnyOrderMakeTheSameListing) {
  add_files(3000);
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    server.shuffle_seed = seed;
    EXPECT_EQ(list().size(), 3000U) << "seed " << seed;
  }
}

TEST_F(ListingTest, ALongDirectoryOnALongLineTakesFewRoundTrips) {
  add_files(10'000);
  server.round_trip = 50ms;
  EXPECT_EQ(list().size(), 10'000U);
  EXPECT_LT(server.steady().time_since_epoch(), 8 * server.round_trip);
}

TEST_F(ListingTest, EntriesWithoutAttributesAreLookedAtOneByOneButTogether) {
  add_files(1000);
  for (auto& [path, node] : server.tree) node.attributes_listed = false;
  server.tree["/dir/7"].attributes_known = false;
  server.round_trip = 10ms;
  const auto entries = list();
  ASSERT_EQ(entries.size(), 1000U);
  for (const ListedEntry& entry : entries) {
    EXPECT_EQ(entry.info.type, entry.name == "7" ? FileType::unknown : FileType::regular) << entry.name;
    EXPECT_EQ(entry.info.size.has_value(), entry.name != "7") << entry.name;
  }
  EXPECT_LT(server.steady().time_since_epoch(), 30 * server.round_trip);
}

TEST_F(ListingTest, AnEntryThatVanishesBeforeItIsLookedAtStaysUnknown) {
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request == readdir_request && reply.nth == 0) {
      reply.type = 104;
      reply.body = wire(1) + wire_string("gone") + wire_string("") + wire(0);
    }
  };
  const auto entries = list();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].info, FileInfo{});
}

TEST_F(ListingTest, ADirectoryThatCannotBeOpenedIsAFailureAndTheSessionGoesOn) {
  Client client(server, "web1", server);
  server.add_directory("/closed").open_status = 3;
  const auto message_of = [&](const char* path) {
    try {
      client.list(path, {});
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), FailureKind::permanent);
      return std::string(error.what());
    }
    return std::string("no failure");
  };
  EXPECT_EQ(message_of("/missing"), "cannot list '/missing' on web1: no such file or directory");
  EXPECT_EQ(message_of("/closed"), "cannot list '/closed' on web1: permission denied");
  EXPECT_TRUE(client.list("/dir", {}).empty());
}

struct IncompleteCase {
  const char* name;
  std::function<void(FakeSftpServer::Reply&)> tamper;
  FailureKind kind;
  const char* says;
};

TEST_F(ListingTest, AListingThatEndsEarlyIsNeverAShorterListing) {
  using Reply = FakeSftpServer::Reply;
  const auto third = [](auto change) {
    return [change](Reply& reply) {
      if (reply.request == readdir_request && reply.nth == 2) change(reply);
    };
  };
  const IncompleteCase cases[] = {
      {"no names", third([](Reply& r) { r.body = wire(0); }), FailureKind::hostile,
       "the listing of '/dir' is incomplete"},
      {"failure", third([](Reply& r) {
         r.type = 101;
         r.body = wire(4);
       }),
       FailureKind::permanent, "the listing of '/dir' on web1 is incomplete: failure"},
      {"permission", third([](Reply& r) {
         r.type = 101;
         r.body = wire(3);
       }),
       FailureKind::permanent, "the listing of '/dir' on web1 is incomplete: permission denied"},
      {"lost connection", third([](Reply& r) {
         r.type = 101;
         r.body = wire(7);
       }),
       FailureKind::transient, "the listing of '/dir' on web1 is incomplete: connection lost"},
      {"ok", third([](Reply& r) {
         r.type = 101;
         r.body = wire(0);
       }),
       FailureKind::hostile, "STATUS packet says \"ok\""},
      {"data", third([](Reply& r) { r.type = 103; }), FailureKind::hostile,
       "answered with DATA where only NAME"},
      {"fewer names than told", third([](Reply& r) { r.body.replace(0, 4, wire(101)); }),
       FailureKind::hostile, "NAME packet ends too early"},
      {"more names than told", third([](Reply& r) { r.body.replace(0, 4, wire(99)); }), FailureKind::hostile,
       "bytes too many"},
      {"the same names twice", third([](Reply& r) { r.copies = 2; }), FailureKind::hostile,
       "no answer is due"},
      {"end of the stream", third([](Reply& r) { r.last = true; }), FailureKind::transient,
       "ended the session"},
      {"end within a packet", third([](Reply& r) { r.cut = true; }), FailureKind::transient,
       "ended the session"},
      {"names for OPENDIR",
       [](Reply& r) {
         if (r.request == opendir_request) {
           r.type = 104;
           r.body = wire(0);
         }
       },
       FailureKind::hostile, "answered with NAME where only HANDLE"},
  };
  add_files(1000);
  for (const IncompleteCase& one : cases) {
    SCOPED_TRACE(one.name);
    FakeSftpServer broken;
    broken.tree = server.tree;
    broken.tamper = one.tamper;
    try {
      Client(broken, "web1", broken).list("/dir", {});
      ADD_FAILURE() << "the listing was accepted";
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), one.kind);
      EXPECT_THAT(error.what(), HasSubstr(one.says));
    }
  }
}

TEST_F(ListingTest, AnswersThatNobodyWaitsForAreCheckedNevertheless) {
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request != close_request) return;
    reply.type = 104;
    reply.body = wire(0);
  };
  Client client(server, "web1", server);
  client.list("/dir", {});
  try {
    client.lstat("/dir");
    ADD_FAILURE() << "names were accepted as the answer to a CLOSE";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::hostile);
    EXPECT_THAT(error.what(), HasSubstr("answered with NAME where only STATUS"));
  }
}

/// Answers that nobody waits for are no reason to believe that a directory is empty.
TEST_F(ListingTest, IsWholeWhateverAnswersAreStillOnTheirWay) {
  add_files(1000);
  for (int i = 0; i < 1000; ++i) server.add_file("/files/" + std::to_string(i), "");
  server.shuffle_seed = 1;
  Client client(server, "web1", server);
  for (int round = 0; round < 20; ++round) {
    test::CollectingReceiver files;
    for (int i = 0; i < 1000; ++i) files.want("/files/" + std::to_string(i), 0);
    client.fetch(files);
    EXPECT_EQ(client.list("/dir", {}).size(), 1000U) << round;
  }
}

TEST_F(ListingTest, AHandleWithoutBytesIsAHandle) {
  add_files(10);
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request == opendir_request) reply.body = wire_string("");
  };
  EXPECT_THROW(list(), PeerError);  // the server does not know it; what matters is that it was asked
  EXPECT_GT(server.count("READDIR"), 0U);
}

TEST_F(ListingTest, DirectoriesInAnyNumberAreListedInTheirOrder) {
  server.round_trip = std::chrono::milliseconds(50);
  std::vector<std::string> paths;
  for (int i = 0; i < 300; ++i) {
    paths.push_back("/dir" + std::to_string(i));
    server.add_directory(paths.back());
    for (int n = 0; n < i; ++n) server.add_file(paths.back() + "/" + std::to_string(n), "");
  }
  Client client(server, "web1", server);
  const auto listed = client.list_all(paths, {});
  ASSERT_EQ(listed.size(), paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) EXPECT_EQ(listed[i].size(), i);
  EXPECT_LT(server.steady().time_since_epoch(), std::chrono::seconds(3));  // one by one: 30 s
  EXPECT_EQ(server.open_handles(), 0U);
}

TEST_F(ListingTest, OneOfManyDirectoriesThatCannotBeListedIsNamedAndTheSessionGoesOn) {
  server.add_directory("/dir2").open_status = 3;
  add_files(10);
  Client client(server, "web1", server);
  try {
    client.list_all({"/dir", "/dir2", "/dir"}, {});
    ADD_FAILURE() << "a directory that could not be opened was passed over";
  } catch (const PeerError& error) {
    EXPECT_STREQ(error.what(), "cannot list '/dir2' on web1: permission denied");
  }
  EXPECT_EQ(server.open_handles(), 0U);
  EXPECT_EQ(client.list("/dir", {}).size(), 10U);
}

TEST_F(ListingTest, LimitsAreThoseOfAllDirectoriesTogether) {
  server.add_directory("/dir2");
  add_files(600);
  for (int i = 0; i < 600; ++i) server.add_file("/dir2/" + std::to_string(i), "");
  Client client(server, "web1", server);
  EXPECT_NO_THROW(client.list_all({"/dir", "/dir2"}, {.entries = 1200}));
  EXPECT_THROW(Client(server, "web1", server).list_all({"/dir", "/dir2"}, {.entries = 1100}), PeerError);
}

TEST_F(ListingTest, AnErrorMidwayLeavesASessionThatCanBeUsed) {
  add_files(1000);
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request != readdir_request || reply.nth != 2) return;
    reply.type = 101;
    reply.body = wire(4);
  };
  Client client(server, "web1", server);
  EXPECT_THROW(client.list("/dir", {}), PeerError);
  EXPECT_EQ(server.open_handles(), 0U);
  EXPECT_EQ(client.list("/dir", {}).size(), 1000U);
}

TEST_F(ListingTest, AnEndlessDirectoryIsLeftAtTheLimit) {
  add_files(100);
  server.endless_listing = true;
  expect_failure(FailureKind::hostile, "the listing of '/dir' on web1 does not end", {.entries = 10'000});
}

TEST_F(ListingTest, NamesWithoutEndAreLeftAtTheLimitOfTheirBytes) {
  server.add_file("/dir/" + std::string(60'000, 'n'), "");
  server.endless_listing = true;
  expect_failure(FailureKind::hostile, "does not end", {.name_bytes = 1'000'000});
}

TEST_F(ListingTest, DotNamesWithoutEndAreLeftToo) {
  server.endless_listing = true;
  expect_failure(FailureKind::hostile, "does not end", {.entries = 1000});
}

TEST_F(ListingTest, ExactlyAsManyEntriesAsAllowedAreFine) {
  add_files(250);
  EXPECT_EQ(list({.entries = 250}).size(), 250U);
  expect_failure(FailureKind::hostile, "does not end", {.entries = 249});
}

}  // namespace
}  // namespace peerstage::peers::sftp
