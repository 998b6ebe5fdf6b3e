#include "peers/sftp/fetch.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "peers/sftp/client.h"
#include "peers/sftp/pending_requests.h"
#include "tests/support/collecting_receiver.h"
#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers::sftp {
namespace {

using namespace std::chrono_literals;
using test::CollectingReceiver;
using test::FakeSftpServer;
using test::wire;
using test::wire_string;
using testing::HasSubstr;

const std::vector<std::pair<std::string, std::string>> openssh_extensions = {
    {"posix-rename@openssh.com", "1"}, {"fsync@openssh.com", "1"}, {"limits@openssh.com", "1"}};

/// Content in which no two places look alike, so that a piece in the wrong place shows.
std::string content(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() & 0xffU);
  return bytes;
}

/// With handles that can be foretold, and with others.
class FetchTest : public testing::TestWithParam<bool> {
 protected:
  FetchTest() {
    server.extensions = openssh_extensions;
    server.counts_handles = GetParam();
  }

  /// A file on the server, wanted as a whole.
  void add(const std::string& path, std::string bytes) {
    const std::size_t size = bytes.size();
    server.add_file(path, std::move(bytes));
    receiver.want(path, size);
  }

  void fetch() {
    Client client(server, "web1", server);
    client.fetch(receiver);
  }

  void expect_everything() {
    for (const auto& file : receiver.files) {
      EXPECT_FALSE(file.failure) << file.request.path << ": " << file.failure->message;
      EXPECT_TRUE(file.complete) << file.request.path;
      EXPECT_TRUE(file.content == server.tree[file.request.path].content.substr(file.request.offset))
          << file.request.path;
    }
    EXPECT_EQ(server.open_handles(), 0U);
    // A refusal makes what is foretold for those behind it wrong.
    EXPECT_TRUE(server.counts_handles || server.bad_handles == 0);
  }

  FakeSftpServer server;
  CollectingReceiver receiver;
};

INSTANTIATE_TEST_SUITE_P(Handles, FetchTest, testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Counted" : "Names"; });

TEST_P(FetchTest, NothingWantedIsNothingAsked) {
  fetch();
  EXPECT_THAT(server.calls, testing::ElementsAre("EXTENDED limits@openssh.com"));
}

TEST_P(FetchTest, FilesOfEverySizeArriveWhole) {
  std::uint32_t seed = 0;
  for (const std::size_t size : {0U, 1U, 4096U, 255'999U, 256'000U, 256'001U, 1'000'000U, 9'999'999U})
    add("/size" + std::to_string(size), content(size, ++seed));
  fetch();
  expect_everything();
}

TEST_P(FetchTest, OnlyTheMissingBytesAreAskedFor) {
  server.add_file("/half", content(1000, 1));
  server.add_file("/whole", content(1000, 2));
  receiver.want("/half", 1000, 400);
  receiver.want("/whole", 1000, 1000);
  fetch();
  expect_everything();
  EXPECT_EQ(server.count("READ /half"), 1U);
  EXPECT_EQ(server.count("READ /whole"), 0U);
  EXPECT_EQ(server.count("CLOSE /whole"), 1U);
}

TEST_P(FetchTest, AFileThatGrewIsReadToItsPromisedSize) {
  server.add_file("/grew", content(1000, 1));
  receiver.want("/grew", 600);
  fetch();
  EXPECT_TRUE(receiver.files[0].complete);
  EXPECT_EQ(receiver.files[0].content, content(1000, 1).substr(0, 600));
}

TEST_P(FetchTest, AServerWithoutLimitsIsReadInPiecesThatEveryServerKnows) {
  server.extensions.clear();
  add("/file", content(100'000, 1));
  fetch();
  expect_everything();
  EXPECT_EQ(server.count("READ"), 4U);
}

TEST_P(FetchTest, ALimitOfReadsIsKept) {
  server.told_read_length = 10'000;
  add("/file", content(100'000, 1));
  fetch();
  expect_everything();
  EXPECT_EQ(server.count("READ"), 10U);
}

TEST_P(FetchTest, ShortReadsAreCompletedWhateverTheirLength) {
  for (const std::size_t length : {1U, 7U, 100U, 255'999U}) {
    FakeSftpServer short_server;
    short_server.extensions = openssh_extensions;
    short_server.longest_read = length;
    const std::string bytes = content(length * 50 + 3, 5);
    short_server.add_file("/file", bytes);
    CollectingReceiver one;
    one.want("/file", bytes.size());
    Client(short_server, "web1", short_server).fetch(one);
    EXPECT_TRUE(one.files[0].complete);
    EXPECT_TRUE(one.files[0].content == bytes) << length;
  }
}

TEST_P(FetchTest, ShortReadsInAnyOrderGiveTheSameBytes) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    FakeSftpServer shuffled;
    shuffled.shuffle_seed = seed;
    if (seed % 2 == 0) shuffled.extensions = openssh_extensions;
    if (seed % 3 == 0) shuffled.most_handles = 1 + random() % 20;
    if (seed % 5 == 0) shuffled.round_trip = 20ms;
    CollectingReceiver wanted;
    for (std::uint32_t i = 0; i < 100; ++i) {
      const std::string path = "/" + std::to_string(i);
      const std::size_t size = random() % (i % 10 == 0 ? 700'000 : 3000);
      shuffled.add_file(path, content(size, seed * 1000 + i));
      wanted.want(path, size, size == 0 ? 0 : random() % size);
    }
    Client(shuffled, "web1", shuffled).fetch(wanted);
    for (const auto& file : wanted.files) {
      ASSERT_TRUE(file.complete) << file.request.path;
      ASSERT_TRUE(file.content == shuffled.tree[file.request.path].content.substr(file.request.offset))
          << file.request.path;
    }
    EXPECT_EQ(shuffled.open_handles(), 0U);
  }
}

struct FileCase {
  const char* name;
  std::function<void(FakeSftpServer::Node&)> spoil;
  FailureKind kind;
  const char* says;
};

TEST_P(FetchTest, AFileThatFailsFailsAloneAndEveryHandleIsClosed) {
  const FileCase cases[] = {
      {"unreadable", [](auto& node) { node.open_status = 3; }, FailureKind::permanent,
       "cannot open '/bad' on web1: permission denied"},
      {"vanished before OPEN", [](auto& node) { node.open_status = 2; }, FailureKind::transient,
       "'/bad' on web1 vanished after it was listed"},
      {"cannot be opened at all", [](auto& node) { node.open_status = 4; }, FailureKind::permanent,
       "cannot open '/bad' on web1: failure"},
      {"server lost something", [](auto& node) { node.open_status = 7; }, FailureKind::transient,
       "cannot open '/bad' on web1: connection lost"},
      {"unknown status", [](auto& node) { node.open_status = 31; }, FailureKind::permanent,
       "cannot open '/bad' on web1: unknown status 31 (the server says \"Other\")"},
      {"read error at once", [](auto& node) { node.read_status = 4; }, FailureKind::permanent,
       "cannot read '/bad' on web1: failure"},
      {"read error midway",
       [](auto& node) {
         node.read_status = 4;
         node.read_status_from = 512'000;
       },
       FailureKind::permanent, "cannot read '/bad' on web1: failure"},
      {"vanished midway", [](auto& node) { node.read_status = 2; }, FailureKind::transient,
       "'/bad' on web1 vanished while it was read"},
      {"shorter than promised", [](auto& node) { node.content.resize(700'000); }, FailureKind::transient,
       "'/bad' on web1 is shorter than promised: it was listed with 3000000 bytes"},
      {"empty now", [](auto& node) { node.content.clear(); }, FailureKind::transient,
       "shorter than promised"},
  };
  for (const FileCase& one : cases) {
    SCOPED_TRACE(one.name);
    FakeSftpServer other;
    other.extensions = openssh_extensions;
    other.counts_handles = GetParam();
    CollectingReceiver wanted;
    const auto add_good = [&](const std::string& path) {
      other.add_file(path, content(600'000, 1));
      wanted.want(path, 600'000);
    };
    add_good("/before");
    one.spoil(other.add_file("/bad", content(3'000'000, 2)));
    wanted.want("/bad", 3'000'000);
    add_good("/after");
    Client(other, "web1", other).fetch(wanted);
    EXPECT_TRUE(wanted.files[0].complete && wanted.files[2].complete);
    EXPECT_TRUE(wanted.files[2].content == content(600'000, 1));
    ASSERT_TRUE(wanted.files[1].failure);
    EXPECT_EQ(wanted.files[1].failure->kind, one.kind);
    EXPECT_THAT(wanted.files[1].failure->message, HasSubstr(one.says));
    EXPECT_EQ(other.open_handles(), 0U);
  }
}

TEST_P(FetchTest, AnUnreadableEmptyFileFailsLikeAnyOther) {
  server.add_file("/empty", "").open_status = 3;
  receiver.want("/empty", 0);
  fetch();
  ASSERT_TRUE(receiver.files[0].failure);
  EXPECT_EQ(receiver.files[0].failure->kind, FailureKind::permanent);
}

TEST_P(FetchTest, AFailedCloseChangesNothing) {
  server.close_status = 4;
  add("/file", content(1000, 1));
  fetch();
  expect_everything();
}

TEST_P(FetchTest, AServerThatTellsItsLimitOfOpenFilesIsNotPushedOverIt) {
  server.told_open_handles = 30;
  server.most_handles = 30;
  for (int i = 0; i < 500; ++i) add("/" + std::to_string(i), "content");
  Client client(server, "web1", server);
  client.lstat("/0");  // with its answer comes what the server told
  client.fetch(receiver);
  expect_everything();
  EXPECT_EQ(server.count("OPEN"), 500U);
}

TEST_P(FetchTest, AServerWithFewerHandlesThanItTellsIsFoundOutWithoutAFailedFile) {
  for (const std::size_t handles : {1U, 2U, 5U, 40U, 63U}) {
    SCOPED_TRACE(handles);
    FakeSftpServer small;
    small.extensions = openssh_extensions;
    small.most_handles = handles;
    CollectingReceiver wanted;
    for (int i = 0; i < 500; ++i) {
      const std::string path = "/" + std::to_string(i);
      small.add_file(path, "content of " + path);
      wanted.want(path, small.tree[path].content.size());
    }
    Client(small, "web1", small).fetch(wanted);
    EXPECT_EQ(wanted.completed(), 500U);
    EXPECT_LT(small.count("OPEN"), 1000U);
  }
}

TEST_P(FetchTest, FilesThatCannotBeOpenedAreToldApartFromTooManyOpenOnes) {
  server.most_handles = 20;
  for (int i = 0; i < 200; ++i) {
    const std::string path = "/" + std::to_string(i);
    add(path, "content");
    if (i % 10 == 0) server.tree[path].open_status = 4;
  }
  fetch();
  for (std::size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(receiver.files[i].complete, i % 10 != 0) << i;
    EXPECT_EQ(receiver.files[i].failure.has_value(), i % 10 == 0) << i;
  }
}

TEST_P(FetchTest, ManySmallFilesOnALongLineTakeFewRoundTrips) {
  server.round_trip = 50ms;
  server.per_request = 5us;
  for (int i = 0; i < 5000; ++i) add("/" + std::to_string(i), std::string(4096, 'x'));
  fetch();
  expect_everything();
  // At 900 files in two round trips: 12, and the handshake, and what waits for its batch.
  EXPECT_LT(server.steady().time_since_epoch(), 18 * server.round_trip);
  EXPECT_GT(server.most_open, 400U);
}

/// A session as it is in a run: a directory is listed, then its files are fetched.
class ForetoldHandles : public testing::Test {
 protected:
  ForetoldHandles() {
    server.extensions = openssh_extensions;
    server.counts_handles = true;
    server.round_trip = 50ms;
    server.add_directory("/c");
    for (std::uint32_t i = 0; i < 3000; ++i) add(std::to_string(i), content(200 + i, i));
    add("long", content(3'000'000, 1));
  }

  void add(const std::string& name, std::string bytes) {
    receiver.want("/c/" + name, bytes.size());
    server.add_file("/c/" + name, std::move(bytes));
  }

  void fetch() {
    Client client(server, "web1", server);
    client.list("/c", {});
    client.fetch(receiver);
  }

  /// Whatever was refused; the number of these.
  std::size_t failures() {
    std::size_t count = 0;
    for (const auto& file : receiver.files) {
      count += file.failure ? 1U : 0U;
      const bool is_whole = file.complete && file.content == server.tree[file.request.path].content;
      EXPECT_NE(is_whole, file.failure.has_value()) << file.request.path;
    }
    EXPECT_EQ(server.open_handles(), 0U);
    return count;
  }

  std::chrono::nanoseconds elapsed() const { return server.steady().time_since_epoch(); }

  FakeSftpServer server;
  CollectingReceiver receiver;
};

TEST_F(ForetoldHandles, SaveARoundTripForEveryFileThatIsOpenAtATime) {
  fetch();
  EXPECT_EQ(failures(), 0U);
  EXPECT_EQ(server.bad_handles, 0U);
  // INIT, the listing and its end, three times as many as may be open, and then the long one.
  EXPECT_LE(elapsed(), 9 * server.round_trip);
}

class WrongForecast : public ForetoldHandles, public testing::WithParamInterface<std::size_t> {};

TEST_P(WrongForecast, MixesUpNoFiles) {
  server.passed_over.insert(GetParam());
  fetch();
  EXPECT_EQ(failures(), 0U);
}

INSTANTIATE_TEST_SUITE_P(At, WrongForecast, testing::Values(0, 1, 2, 30, 1000, 3000));

TEST_F(ForetoldHandles, OfRefusedFilesMixUpNoOthers) {
  for (const int bad : {20, 21, 500, 2999}) server.tree["/c/" + std::to_string(bad)].open_status = 3;
  server.tree["/c/40"].open_status = 2;
  fetch();
  EXPECT_EQ(failures(), 5U);
  EXPECT_GT(server.bad_handles, 0U);
}

TEST_F(ForetoldHandles, OfFilesThatCannotBeReadFailThemAlone) {
  for (const int bad : {20, 21, 500}) server.tree["/c/" + std::to_string(bad)].read_status = 4;
  server.tree["/c/40"].content.clear();
  fetch();
  EXPECT_EQ(failures(), 4U);
}

TEST_F(ForetoldHandles, OfAServerThatOpensFewerFilesThanItTellsAreForgotten) {
  server.most_handles = 300;
  fetch();
  EXPECT_EQ(failures(), 0U);
}

TEST_F(ForetoldHandles, AreNotBelievedBeforeTheServerHasConfirmedThem) {
  server.shuffle_seed = 7;
  fetch();
  EXPECT_EQ(failures(), 0U);
}

TEST_F(ForetoldHandles, AreNotTriedWithServersThatAreNotKnownToWorkInOrder) {
  server.is_openssh_by_name = false;
  fetch();
  EXPECT_EQ(failures(), 0U);
  EXPECT_GT(elapsed(), 9 * server.round_trip);
}

TEST_P(FetchTest, ALongLineIsFilledByOneBigFile) {
  server.round_trip = 50ms;
  server.bytes_per_second = 200'000'000;
  add("/big", content(100'000'000, 1));
  fetch();
  expect_everything();
  EXPECT_LT(server.steady().time_since_epoch(), 900ms);
  EXPECT_NEAR(static_cast<double>(server.largest_receive), 20e6, 2e6);  // twice what comes in a round trip
}

TEST_P(FetchTest, AShortLineKeepsLittleOnItsWayAndAsksInBatches) {
  server.round_trip = 100us;
  server.per_request = 10us;
  for (int i = 0; i < 2000; ++i) add("/" + std::to_string(i), std::string(100, 'x'));
  fetch();
  expect_everything();
  EXPECT_LE(server.most_open, 64U);
  EXPECT_LE(server.largest_receive, 256U << 10U);
  EXPECT_LT(server.sends, 1000U);
}

TEST_P(FetchTest, WhatTheReceiverThrowsEndsTheSession) {
  class Full final : public FileReceiver {
   public:
    std::optional<FetchRequest> next() override {
      return FetchRequest{.id = id_++, .path = "/file", .size = 500'000};
    }
    void data(std::size_t, std::span<const std::byte>) override {
      throw PeerError(FailureKind::permanent, "no space left");
    }
    void complete(std::size_t) override {}
    void failed(std::size_t, const Failure&) override {}

   private:
    std::size_t id_ = 0;
  };
  server.add_file("/file", content(500'000, 1));
  Client client(server, "web1", server);
  Full full;
  EXPECT_THROW(client.fetch(full), PeerError);
  try {
    client.lstat("/file");
    ADD_FAILURE() << "the session was used again";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::transient);
    EXPECT_THAT(error.what(), HasSubstr("the SFTP session with web1 was given up"));
  }
}

struct HostileCase {
  const char* name;
  std::function<void(FakeSftpServer::Reply&)> tamper;
  FailureKind kind;
  const char* says;
};

constexpr std::uint8_t open_request = 3, close_request = 4, read_request = 5;

/// The fault strikes the third READ (or the named request) of a fetch of several files, with others in
/// flight.
TEST_P(FetchTest, AServerThatBreaksTheProtocolEndsTheSession) {
  using Reply = FakeSftpServer::Reply;
  const auto third_read = [](auto change) {
    return [change](Reply& reply) {
      if (reply.request == read_request && reply.nth == 2) change(reply);
    };
  };
  const auto second = [](std::uint8_t request, auto change) {
    return [request, change](Reply& reply) {
      if (reply.request == request && reply.nth == 1) change(reply);
    };
  };
  const HostileCase cases[] = {
      {"DATA without data", third_read([](Reply& r) { r.body = wire(0); }), FailureKind::hostile,
       "DATA packet holds no data"},
      {"DATA longer than asked",
       third_read([](Reply& r) { r.body = wire_string(std::string(256'001, 'x')); }), FailureKind::hostile,
       "more of '/b' than it was asked for"},
      {"DATA that ends early", third_read([](Reply& r) { r.body.resize(r.body.size() - 1); }),
       FailureKind::hostile, "DATA packet ends too early"},
      {"an id that was never given", third_read([](Reply& r) { r.id += 1000; }), FailureKind::hostile,
       "to which no answer is due"},
      {"the id of an earlier use",
       third_read([](Reply& r) { r.id -= static_cast<std::uint32_t>(PendingRequests::capacity); }),
       FailureKind::hostile, "to which no answer is due"},
      {"the same answer twice", third_read([](Reply& r) { r.copies = 2; }), FailureKind::hostile,
       "to which no answer is due"},
      {"HANDLE for a READ", third_read([](Reply& r) {
         r.type = 102;
         r.body = wire_string("h");
       }),
       FailureKind::hostile, "answered with HANDLE where only DATA"},
      {"NAME for a READ", third_read([](Reply& r) {
         r.type = 104;
         r.body = wire(0);
       }),
       FailureKind::hostile, "answered with NAME where only DATA"},
      {"a type that does not exist", third_read([](Reply& r) { r.type = 250; }), FailureKind::hostile,
       "answered with type 250"},
      {"ok for a READ", third_read([](Reply& r) {
         r.type = 101;
         r.body = wire(0);
       }),
       FailureKind::hostile, "STATUS packet says \"ok\""},
      {"256 MiB announced", third_read([](Reply& r) { r.announced_length = 256U << 20U; }),
       FailureKind::hostile, "a packet of 268435456 bytes"},
      {"4 GiB announced", third_read([](Reply& r) { r.announced_length = 0xffffffff; }), FailureKind::hostile,
       "a packet of 4294967295 bytes"},
      {"an empty packet", third_read([](Reply& r) { r.announced_length = 0; }), FailureKind::hostile,
       "a packet of 0 bytes"},
      {"a packet without id", third_read([](Reply& r) { r.announced_length = 1; }), FailureKind::hostile,
       "DATA packet ends too early"},
      {"DATA for an OPEN", second(open_request, [](Reply& r) { r.type = 103; }), FailureKind::hostile,
       "answered with DATA where only HANDLE"},
      {"ok for an OPEN",
       second(open_request,
              [](Reply& r) {
                r.type = 101;
                r.body = wire(0);
              }),
       FailureKind::hostile, "STATUS packet says \"ok\""},
      {"a handle of 257 bytes",
       second(open_request, [](Reply& r) { r.body = wire_string(std::string(257, 'h')); }),
       FailureKind::hostile, "a handle of more than 256 bytes"},
      {"the stream ends behind an answer", third_read([](Reply& r) { r.last = true; }),
       FailureKind::transient, "ended the session in the middle"},
      {"the stream ends within an answer", third_read([](Reply& r) { r.cut = true; }), FailureKind::transient,
       "ended the session in the middle"},
      {"an answer that never comes", third_read([](Reply& r) { r.copies = 0; }), FailureKind::transient,
       "idle timeout"},
  };
  for (const HostileCase& one : cases) {
    SCOPED_TRACE(one.name);
    FakeSftpServer hostile;
    hostile.extensions = openssh_extensions;
    hostile.tamper = one.tamper;
    CollectingReceiver wanted;
    for (const char* path : {"/a", "/b", "/c"}) {
      hostile.add_file(path, content(400'000, 1));
      wanted.want(path, 400'000);
    }
    Client client(hostile, "web1", hostile);
    try {
      client.fetch(wanted);
      ADD_FAILURE() << "was accepted";
    } catch (const PeerError& error) {
      EXPECT_EQ(error.kind(), one.kind);
      EXPECT_THAT(error.what(), HasSubstr(one.says));
    }
    for (const auto& file : wanted.files)
      EXPECT_EQ(file.content, content(400'000, 1).substr(0, file.content.size())) << file.request.path;
    EXPECT_THROW(client.lstat("/a"), PeerError);
  }
}

TEST_P(FetchTest, WhatHasToWaitForALateAnswerIsBounded) {
  add("/big", content(20'000'000, 1));
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request == read_request && reply.nth == 0) reply.copies = 0;
  };
  EXPECT_THROW(fetch(), PeerError);
  EXPECT_LE(server.count("READ"), (2U << 20U) / 256'000 + 1);
  EXPECT_EQ(receiver.files[0].content, "");
}

/// Damage to any one answer of a whole session. Content cannot be checked here: the damage may have hit it.
TEST_P(FetchTest, RandomDamageEndsInAPeerErrorOrInWholeFiles) {
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    FakeSftpServer damaged;
    damaged.extensions = openssh_extensions;
    if (seed % 2 == 0) damaged.shuffle_seed = seed;
    CollectingReceiver wanted;
    for (int i = 0; i < 10; ++i) {
      const std::string path = "/dir/" + std::to_string(i);
      damaged.add_file(path, std::string(random() % 5000, 'x'));
      wanted.want(path, damaged.tree[path].content.size());
    }
    damaged.add_directory("/dir");
    damaged.names_per_packet = 3;
    std::size_t left = random() % 60;
    damaged.tamper = [&](FakeSftpServer::Reply& reply) {
      if (left-- != 0) return;
      switch (random() % 5) {
        case 0:
          reply.type = static_cast<std::uint8_t>(random());
          break;
        case 1:
          reply.id ^= 1U << random() % 32;
          break;
        case 2:
          reply.announced_length = static_cast<std::uint32_t>(reply.body.size() + random() % 10);
          break;
        case 3:
          reply.body.resize(random() % (reply.body.size() + 1));
          break;
        default:
          reply.body[random() % std::min<std::size_t>(reply.body.size(), 40)] = static_cast<char>(random());
      }
    };
    try {
      Client client(damaged, "web1", damaged);
      client.list("/dir", {});
      client.fetch(wanted);
      client.write_marker("/dir/marker");
      for (const auto& file : wanted.files) EXPECT_TRUE(file.complete || file.failure) << file.request.path;
    } catch (const PeerError&) {
    }
  }
}

/// Of the requests of 5,000 files, all but those that close them are answered at once.
TEST_P(FetchTest, AServerThatKeepsTheAnswersToCloseBackIsWaitedForNotAskedWithoutEnd) {
  for (int i = 0; i < 5000; ++i) add("/" + std::to_string(i), "content");
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request == close_request) reply.copies = 0;
  };
  try {
    fetch();
    ADD_FAILURE() << "a server that never answered 5,000 requests was taken for one that did";
  } catch (const PeerError& error) {
    EXPECT_THAT(error.what(), HasSubstr("idle timeout"));
  }
  EXPECT_LE(server.count("CLOSE"), PendingRequests::capacity / 2 + 100);
}

TEST_P(FetchTest, OnlyWholeAnswersWithContentCountAsSuch) {
  add("/file", content(1000, 1));
  server.tamper = [](FakeSftpServer::Reply& reply) {
    if (reply.request == read_request) reply.body = wire(0);
  };
  EXPECT_THROW(fetch(), PeerError);
  EXPECT_EQ(server.answers, 3U);  // VERSION, the limits and the OPEN, but not the empty DATA
}

}  // namespace
}  // namespace peerstage::peers::sftp
