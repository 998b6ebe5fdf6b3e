#include "daemon/control/control_client.h"

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "daemon/service/state_json.h"
#include "tests/control/control_fixture.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using Kind = ControlError::Kind;

/// A server that does to its one caller what a script says.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(int)> script)
      : socket_(ControlSocket::listen_at(path(), {})), thread_([this, script = std::move(script)] {
          pollfd caller{socket_.descriptor(), POLLIN, 0};
          ::poll(&caller, 1, 20'000);
          const peers::Descriptor line(::accept4(socket_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
          script(line.get());
        }) {}
  ~ScriptedServer() { thread_.join(); }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  std::string path() const { return directory_ / "control.sock"; }

 private:
  test::TemporaryDirectory directory_;
  ControlSocket socket_;
  std::thread thread_;
};

void say(int line, const std::string& text) {
  ::send(line, text.data(), text.size(), MSG_NOSIGNAL);
}

/// Until the caller hangs up.
void listen_to(int line) {
  std::array<char, 4096> buffer{};
  while (::recv(line, buffer.data(), buffer.size(), 0) > 0) {
  }
}

void expect_error(const ControlClient& client, Kind kind, const std::string& message) {
  try {
    client.get("/v1/status");
    ADD_FAILURE() << "it was answered";
  } catch (const ControlError& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_EQ(error.what(), message);
  }
}

TEST(ControlClient, GetsAndPosts) {
  test::RunningServer server;
  const ControlClient client(server.path());
  const std::string document =
      server.on_loop([](test::FakeDaemon& daemon) { return to_json(daemon.told_state); });
  EXPECT_EQ(client.get("/v1/status").body, document);
  EXPECT_EQ(client.post("/v1/runs", R"({"peers": ["web1"]})").status, 202U);
  const ControlAnswer refused = client.post("/v1/runs", "{}");
  EXPECT_FALSE(refused.good());
  EXPECT_EQ(error_of(refused), "the body has to have either 'job' or 'peers'");
  EXPECT_EQ(server.asked(), std::vector<std::string>{"peers web1"});
}

TEST(ControlClient, SaysThatTheDaemonIsNotRunning) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "control.sock";
  const std::string sentence = "the daemon is not running: nobody listens at the control socket " + path;
  expect_error(ControlClient(path), Kind::not_running, sentence);
  directory.write("control.sock", "");
  expect_error(ControlClient(path), Kind::not_running, sentence);
}

TEST(ControlClient, SaysThatThereIsNoPermission) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: somebody else has to be refused";
  test::RunningServer server;
  server.open_directory();
  const std::string path = server.path();
  EXPECT_TRUE(test::OtherUser(test::nobody, test::nogroup, [&path] {
                try {
                  ControlClient(path).get("/v1/status");
                } catch (const ControlError& error) {
                  return error.kind() == Kind::no_permission;
                }
                return false;
              }).said());
}

TEST(ControlClient, DoesNotWaitForeverForAnAnswer) {
  const ScriptedServer server(listen_to);
  const auto begun = std::chrono::steady_clock::now();
  expect_error(
      ControlClient(server.path(), {}, 1000ms), Kind::no_answer,
      "the daemon does not answer at the control socket " + server.path() + ": nothing came for 1 seconds");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

TEST(ControlClient, DoesNotWaitForeverForAPlaceInTheQueue) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "control.sock";
  const auto socket = ControlSocket::listen_at(path, {});
  ::listen(socket.descriptor(), 0);
  const test::RawClient first(path);
  expect_error(ControlClient(path, {}, 200ms), Kind::no_answer,
               "the daemon does not answer at the control socket " + path + ": it takes no more callers");
}

TEST(ControlClient, TakesNoMoreThanItsLimit) {
  const ScriptedServer server([](int line) {
    say(line, "HTTP/1.1 200 OK\r\n\r\n");
    const std::string block(1024 * 1024, 'a');
    while (::send(line, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  EXPECT_THROW(ControlClient(server.path()).get("/"), ControlError);
}

TEST(ControlClient, KnowsWhatIsNoAnswer) {
  {
    const ScriptedServer server([](int line) { say(line, "220 mail ESMTP\r\n"); });
    expect_error(
        ControlClient(server.path()), Kind::not_understood,
        "what answers at the control socket " + server.path() + " is no daemon of ours: bad version");
  }
  const ScriptedServer server([](int line) { say(line, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"); });
  expect_error(
      ControlClient(server.path()), Kind::no_answer,
      "the daemon does not answer at the control socket " + server.path() + ": it hung up before the end");
}

TEST(ControlClient, StopsWhenItIsToldTo) {
  const ScriptedServer server(listen_to);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const peers::Descriptor read(pipe[0]), write(pipe[1]);
  ASSERT_EQ(::write(write.get(), "x", 1), 1);
  EXPECT_THROW(ControlClient(server.path(), read.get()).get("/v1/status"), ControlInterrupted);
}

TEST(ErrorOf, IsPrintableWhateverWasSent) {
  EXPECT_EQ(error_of({404, R"({"error": "no\u001b[2Jway"})"}), "no\\x1b[2Jway");
  for (const char* body : {"", "[", "[]", "{}", R"({"error": 3})"})
    EXPECT_EQ(error_of({502, body}), "the daemon answered with 502") << body;
}

}  // namespace
}  // namespace peerstage::daemon
