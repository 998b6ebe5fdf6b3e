#include "daemon/control/control_server.h"

#include <array>
#include <chrono>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "daemon/service/state_json.h"
#include "tests/control/control_fixture.h"
#include "tests/support/process.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using test::body_of;
using test::RawClient;
using test::RunningServer;
using test::status_line;
using test::status_request;

std::string talk(const RunningServer& server, const std::string& bytes) {
  RawClient client(server.path());
  EXPECT_TRUE(client.connected());
  client.send(bytes);
  return client.rest();
}

ControlLimits with_deadline(std::chrono::milliseconds time) {
  ControlLimits limits;
  limits.request_deadline = time;
  limits.answer_deadline = time;
  return limits;
}

/// Whether the daemon is still there for an honest client, and its timers were not kept waiting.
void expect_undisturbed(const RunningServer& server) {
  EXPECT_EQ(status_line(talk(server, status_request)), "200 OK");
  while (server.heartbeat().beats() == 0) std::this_thread::yield();
  if (!test::memory_is_instrumented) {
    EXPECT_LT(server.heartbeat().worst(), 100ms);
  }
}

TEST(ControlServer, AnswersARequestAndHangsUpWhenAskedTo) {
  RunningServer server;
  const std::string answer = talk(server, status_request);
  const std::string document =
      server.on_loop([](test::FakeDaemon& daemon) { return to_json(daemon.told_state); });
  EXPECT_EQ(answer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            "Content-Length: " +
                std::to_string(document.size()) + "\r\nConnection: close\r\n\r\n" + document);
}

TEST(ControlServer, AnswersOneRequestAfterTheOtherOnOneConnection) {
  RunningServer server;
  RawClient client(server.path());
  for (int i = 0; i < 3; ++i) {
    client.send("POST /v1/pause HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_EQ(status_line(client.until("}\n")), "200 OK");
  }
  EXPECT_EQ(server.asked(), (std::vector<std::string>{"pause", "pause", "pause"}));
  EXPECT_EQ(server.told().at(2), "the user " + std::to_string(::geteuid()) +
                                     " asked over the control socket: POST /v1/pause, answered with 200");
}

TEST(ControlServer, AnswersPipelinedRequestsInTheirOrder) {
  RunningServer server;
  const std::string answers =
      talk(server, "POST /v1/pause HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n" +
                       std::string(status_request));
  const auto first = answers.find("200 OK"), second = answers.find("404 Not Found"),
             third = answers.rfind("200 OK");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST(ControlServer, SpeaksTheOlderVersion) {
  RunningServer server;
  const std::string answer = talk(server, "GET /v1/jobs HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.substr(0, 17), "HTTP/1.0 200 OK\r\n");
}

TEST(ControlServer, AnswersHeadWithoutABody) {
  RunningServer server;
  const std::string head = talk(server, "HEAD /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string get = talk(server, status_request);
  EXPECT_EQ(head, get.substr(0, get.find("\r\n\r\n") + 4));
}

TEST(ControlServer, TakesAChunkedBody) {
  RunningServer server;
  const std::string answer = talk(server,
                                  "POST /v1/runs HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n8\r\n{\"job\": \r\n8\r\n\"hourly\"\r\n1\r\n}\r\n0\r\n\r\n");
  EXPECT_EQ(status_line(answer), "202 Accepted");
  EXPECT_NE(answer.find("\r\nLocation: /v1/runs/run-2\r\n"), std::string::npos);
  EXPECT_EQ(server.asked(), (std::vector<std::string>{"job hourly"}));
}

TEST(ControlServer, AsksForABodyThatIsHeldBack) {
  RunningServer server;
  RawClient client(server.path());
  client.send(
      "POST /v1/cancel HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(server.asked(), std::vector<std::string>());
  client.send("{}");
  EXPECT_EQ(status_line(client.rest()), "202 Accepted");
}

TEST(ControlServer, AnswersAClientThatHasEndedSending) {
  RunningServer server;
  RawClient client(server.path());
  client.send("GET /v1/jobs HTTP/1.1\r\n\r\n");
  client.end_sending();
  EXPECT_EQ(status_line(client.rest()), "200 OK");
}

struct BadRequest {
  const char* name;
  std::string bytes;
  std::string status;  ///< empty: nothing is said
};

TEST(ControlServer, TellsWhatIsNoRequestAndHangsUp) {
  const std::string nul("GET /v1/sta\0tus HTTP/1.1\r\n\r\n", 29),
      nul_in_field("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26);
  const std::vector<BadRequest> cases{
      {"not HTTP", "hello\r\n\r\n", "400 Bad Request"},
      {"NUL in the path", nul, "400 Bad Request"},
      {"NUL in a field", nul_in_field, "400 Bad Request"},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"},
      {"TLS", "\x16\x03\x01\x02\x01\x01", "400 Bad Request"},
      {"unknown method", "BREW /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n", "405 Method Not Allowed"},
      {"long line", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n",
       "431 Request Header Fields Too Large"},
      {"many fields",
       "GET / HTTP/1.1\r\n" +
           [] {
             std::string fields;
             for (int i = 0; i < 2000; ++i) fields += "A: b\r\n";
             return fields;
           }() +
           "\r\n",
       "431 Request Header Fields Too Large"},
      {"long body", "POST /v1/runs HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "413 Payload Too Large"},
      {"endless body", "POST /v1/runs HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
       "413 Payload Too Large"},
      {"long chunk",
       "POST /v1/runs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" + std::string(70'000, 'a'),
       "413 Payload Too Large"},
      {"two lengths", "POST /v1/runs HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
       "400 Bad Request"},
      {"length and chunks",
       "POST /v1/runs HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400 Bad Request"},
      {"strange expectation", "POST /v1/cancel HTTP/1.1\r\nExpect: miracles\r\nContent-Length: 2\r\n\r\n",
       "417 Expectation Failed"},
  };
  RunningServer server;
  for (const auto& each : cases) {
    const std::string answer = talk(server, each.bytes);
    EXPECT_EQ(status_line(answer), each.status) << each.name;
    EXPECT_EQ(body_of(answer).substr(0, 12), "{\n  \"error\":") << each.name;
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << each.name;
  }
  EXPECT_EQ(server.asked(), std::vector<std::string>());
  expect_undisturbed(server);
}

TEST(ControlServer, ForgetsARequestWhoseSenderIsGone) {
  RunningServer server;
  {
    RawClient client(server.path());
    client.send("POST /v1/pause HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
  }
  RawClient half(server.path());
  half.send("GET /v1/st");
  half.end_sending();
  EXPECT_EQ(half.rest(), "");
  expect_undisturbed(server);
  EXPECT_EQ(server.asked(), std::vector<std::string>());
}

TEST(ControlServer, EndsAHalfRequestAtItsDeadline) {
  RunningServer server(with_deadline(200ms));
  EXPECT_EQ(status_line(talk(server, "GET /v1/status HT")), "408 Request Timeout");
  EXPECT_EQ(status_line(talk(server, "POST /v1/pause HTTP/1.1\r\nContent-Length: 2\r\n\r\n{")),
            "408 Request Timeout");
  EXPECT_EQ(talk(server, ""), "") << "who says nothing is told nothing";
  EXPECT_EQ(server.asked(), std::vector<std::string>());
  expect_undisturbed(server);
}

TEST(ControlServer, EndsARequestThatDripsInAtItsDeadlineAllTheSame) {
  RunningServer server(with_deadline(300ms));
  RawClient client(server.path());
  const auto begun = std::chrono::steady_clock::now();
  for (const char byte : std::string("GET /v1/status HTTP/1.1\r\nX: ") + std::string(5000, 'a')) {
    if (!client.send(std::string(1, byte))) break;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s) << "it was not cut off";
  EXPECT_EQ(status_line(client.rest()), "408 Request Timeout");
  expect_undisturbed(server);
}

TEST(ControlServer, TakesNoMoreOfALineThatNeverEndsThanItsLimit) {
  RunningServer server;
  const auto before = test::resident_bytes();
  RawClient client(server.path());
  const std::string block(1024 * 1024, 'a');
  bool taken = client.send("GET /");
  for (int i = 0; i < 1024 && taken; ++i) taken = client.send(block);
  EXPECT_FALSE(taken) << "it took a whole GiB";
  EXPECT_EQ(status_line(client.rest()), "431 Request Header Fields Too Large");
  EXPECT_TRUE(test::grew_by_less_than(8 * 1024 * 1024, before));
  expect_undisturbed(server);
}

void fill(test::FakeDaemon& daemon) {
  for (int i = 0; i < 10'000; ++i) daemon.add_peer("peer-" + std::to_string(i));
}

TEST(ControlServer, CutsOffWhoNeverReadsALargeAnswer) {
  RunningServer server(fill, with_deadline(300ms), {::geteuid(), {}});
  RawClient client(server.path());
  client.send("GET /v1/status HTTP/1.1\r\n\r\n");
  // The answer is longer than what the sockets hold, so the server can end it only by hanging up.
  pollfd hangup{client.descriptor(), POLLRDHUP, 0};
  ASSERT_EQ(::poll(&hangup, 1, 20'000), 1);
  const std::string answer = client.rest();
  EXPECT_EQ(status_line(answer), "200 OK");
  EXPECT_LT(answer.size(), 1'000'000U);
  EXPECT_EQ(status_line(talk(server, "GET /v1/jobs HTTP/1.1\r\nConnection: close\r\n\r\n")), "200 OK");
}

TEST(ControlServer, HoldsOnlySoManyAnswersThatNobodyReads) {
  ControlLimits limits;
  limits.pending_bytes = 4'000'000;
  RunningServer server(fill, limits, {::geteuid(), {}});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.path()));
    clients.back()->send("GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n");
  }
  EXPECT_EQ(status_line(talk(server, status_request)), "503 Service Unavailable");
  EXPECT_EQ(status_line(talk(server, "POST /v1/pause HTTP/1.1\r\nConnection: close\r\n\r\n")), "200 OK")
      << "what is short and wanted is done";
  std::size_t whole = 0;
  for (const auto& client : clients) whole += status_line(client->rest()) == "200 OK" ? 1U : 0U;
  EXPECT_GT(whole, 0U);
  EXPECT_LT(whole, 8U);
  EXPECT_EQ(status_line(talk(server, status_request)), "200 OK") << "all is given back";
}

/// Sends requests as fast as they are taken, over many connections, and reads nothing.
[[noreturn]] void flood(const std::string& path) {
  std::string many;
  for (int i = 0; i < 500; ++i) many += "GET /v1/status HTTP/1.1\r\n\r\n";
  std::vector<std::unique_ptr<RawClient>> clients(100);
  for (std::size_t i = 0;; i = (i + 1) % clients.size()) {
    clients[i] = std::make_unique<RawClient>(path);
    ::send(clients[i]->descriptor(), many.data(), many.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

TEST(ControlServer, IsNotKeptFromItsWorkByAFlood) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: the flood comes from another user";
  RunningServer server({}, {0, test::nogroup});
  server.open_directory();
  const test::OtherUser flooding(test::nobody, test::nogroup, [&server]() -> bool { flood(server.path()); });
  const auto end = std::chrono::steady_clock::now() + 2s;
  int done = 0;
  for (; std::chrono::steady_clock::now() < end; ++done) {
    ASSERT_EQ(status_line(talk(server, "POST /v1/pause HTTP/1.1\r\nConnection: close\r\n\r\n")), "200 OK")
        << done;
  }
  EXPECT_GT(done, 10);
  expect_undisturbed(server);
  RecordProperty("done", done);
  RecordProperty("worst_ms", static_cast<int>(server.heartbeat().worst().count()));
}

bool gets(const std::string& path, const std::string& request, const std::string& status) {
  RawClient client(path);
  client.send(request);
  return status_line(client.rest()) == status;
}

TEST(ControlServer, LetsAMemberOfTheGroupLookAndNothingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: the request comes from another user";
  RunningServer server({}, {0, test::nogroup});
  server.open_directory();
  const std::string path = server.path();
  EXPECT_TRUE(test::OtherUser(test::nobody, test::nogroup, [&path] {
                return gets(path, status_request, "200 OK") &&
                       gets(path, "POST /v1/pause HTTP/1.1\r\nConnection: close\r\n\r\n", "403 Forbidden");
              }).said());
  EXPECT_EQ(server.asked(), std::vector<std::string>());
}

TEST(ControlServer, IsOutOfReachForAnybodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: the request comes from another user";
  RunningServer server({}, {0, test::nogroup});
  server.open_directory();
  const std::string path = server.path();
  EXPECT_TRUE(test::OtherUser(test::nobody, test::nogroup - 1, [&path] {
                return !RawClient(path).connected() && errno == EACCES;
              }).said());
  std::filesystem::permissions(path,
                               std::filesystem::perms(0666));  // as with a SocketMode= of somebody's own
  EXPECT_TRUE(test::OtherUser(test::nobody, test::nogroup - 1, [&path] {
                return gets(path, status_request, "403 Forbidden");
              }).said());
}

TEST(ControlServer, OneReaderDoesNotTakeThePlacesOfTheOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: the requests come from other users";
  RunningServer server({}, {0, test::nogroup});
  server.open_directory();
  const std::string path = server.path();
  const auto hold_all = [&path]() -> bool {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 17; ++i) {
      clients.push_back(std::make_unique<RawClient>(path));
      clients.back()->send("GET /v1/jobs HTTP/1.1\r\nX: ");
    }
    const bool one_too_many = status_line(clients.back()->rest()) == "503 Service Unavailable";
    return one_too_many;
  };
  EXPECT_TRUE(test::OtherUser(test::nobody, test::nogroup, hold_all).said());
  EXPECT_TRUE(test::OtherUser(test::nobody - 1, test::nogroup, [&path] {
                return gets(path, status_request, "200 OK");
              }).said());
}

TEST(ControlServer, ServesAsManyAsItMayAndTurnsTheOthersAway) {
  const auto before = test::open_descriptors();
  RunningServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.path()));
    ASSERT_TRUE(clients.back()->connected()) << i;
    clients.back()->send(
        "GET /v1/jobs HTTP/1.1\r\nX: ");  // not to its end: they all want their place at once
  }
  std::size_t turned_away = 0;
  for (std::size_t i = 64; i < clients.size(); ++i)
    turned_away += status_line(clients[i]->rest()) == "503 Service Unavailable" ? 1U : 0U;
  EXPECT_EQ(turned_away, 436U);
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_TRUE(clients[i]->send("y\r\nConnection: close\r\n\r\n"));
    EXPECT_EQ(status_line(clients[i]->rest()), "200 OK") << i;
  }
  clients.clear();
  expect_undisturbed(server);
  EXPECT_LT(test::open_descriptors(), before + 20);
}

TEST(ControlServer, SendsTheOldestSilentClientHomeForANewOne) {
  ControlLimits limits;
  limits.clients = 2;
  limits.idle_grace = 0ms;
  RunningServer server(limits);
  RawClient oldest(server.path()), busy(server.path());
  busy.send("GET /v1/jo");
  EXPECT_EQ(status_line(talk(server, status_request)), "200 OK");
  EXPECT_EQ(oldest.rest(), "");
  busy.send("bs HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_line(busy.rest()), "200 OK");
}

TEST(ControlServer, KeepsAConnectionForSoManyRequestsOnly) {
  ControlLimits limits;
  limits.requests_a_client = 3;
  RunningServer server(limits);
  std::string many;
  for (int i = 0; i < 10; ++i) many += "GET /v1/jobs HTTP/1.1\r\n\r\n";
  const std::string answers = talk(server, many);
  std::size_t count = 0;
  for (auto place = answers.find("HTTP/1.1 200"); place != std::string::npos;
       place = answers.find("HTTP/1.1 200", place + 1))
    ++count;
  EXPECT_EQ(count, 3U);
}

TEST(ControlServer, HangsUpOnEverybodyAtItsEndAndIsGone) {
  RunningServer server(fill, {}, {::geteuid(), {}});
  RawClient idle(server.path()), reading(server.path()), half(server.path());
  half.send("GET /v1/st");
  reading.send("GET /v1/status HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_line(reading.until("\r\n")), "200 OK");
  server.hang_up();
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(half.rest(), "");
  EXPECT_FALSE(RawClient(server.path()).connected());
  EXPECT_FALSE(std::filesystem::exists(server.path()));
}

TEST(ControlServer, WaitsForDescriptorsInsteadOfAskingForThemAllTheTime) {
  ControlLimits limits;
  limits.accept_pause = 50ms;
  RunningServer server(limits);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  RawClient client(server.path());  // the connection may be taken already, the next one is not
  RawClient later(server.path());
  EXPECT_EQ(status_line(talk(server, status_request)), "200 OK");
  rlimit none = before;
  const int next = ::dup(0);
  ::close(next);
  none.rlim_cur = static_cast<rlim_t>(next) + 1;  // room for our end of one more
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  RawClient waiting(server.path());
  const std::clock_t begun = std::clock();
  std::this_thread::sleep_for(500ms);
  const double seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(seconds, 0.25) << "a busy loop";
  waiting.send(status_request);
  EXPECT_EQ(status_line(waiting.rest()), "200 OK");
  EXPECT_EQ(server.told(),
            std::vector<std::string>{
                "nobody can connect to the control socket for the moment: Too many open files"});
}

}  // namespace
}  // namespace peerstage::daemon
