#include "daemon/service/notifier.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/asio_timeline.h"
#include "daemon/service/http_post.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using config::Notify;
using config::NotifyOn;
using peers::EventLevel;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DelayBeforeNext, grows_and_ends) {
  using std::chrono::seconds;
  EXPECT_EQ(delay_before_next(0), seconds(0));
  EXPECT_EQ(delay_before_next(1), seconds(10));
  EXPECT_EQ(delay_before_next(2), seconds(60));
  EXPECT_EQ(delay_before_next(3), seconds(300));
  EXPECT_EQ(delay_before_next(4), std::nullopt);
}

TEST(ShownUrl, holds_no_secret) {
  EXPECT_EQ(shown_url("https://hooks.example.org/T0/secret"), "https://hooks.example.org");
  EXPECT_EQ(shown_url("https://me:secret@h:8443?token=secret"), "https://h:8443");
  EXPECT_EQ(shown_url("http://a@secret@h#x@y"), "http://h");
  EXPECT_EQ(shown_url("secret"), "a URL without a scheme");
}

constexpr milliseconds deadline_of_children{60'001};  // told apart from other delays

/// The real time, but what takes long passes in a moment, and is noted.
class HastyTimeline final : public Timeline {
 public:
  explicit HastyTimeline(boost::asio::io_context& loop) : real_(loop) {}
  Steady steady_now() const override { return real_.steady_now(); }
  Wall wall_now() const override { return real_.wall_now(); }
  std::unique_ptr<Alarm> after(milliseconds delay, Act act) override {
    delays.push_back(delay);
    const bool is_long = delay >= milliseconds(10'000) && delay != deadline_of_children;
    return real_.after(is_long ? milliseconds(20) : delay, std::move(act));
  }
  std::unique_ptr<Alarm> at(Wall when, Act act) override { return real_.at(when, std::move(act)); }

  std::vector<milliseconds> delays;

 private:
  AsioTimeline real_;
};

class NotifierTest : public ::testing::Test {
 protected:
  struct Line {
    EventLevel level;
    std::string text, run;
  };

  NotifierTest() {
    notification.event = NotifyOn::failure;
    notification.run = "R1";
    notification.job = "nightly";
    notification.status = "failed";
    notification.subject = "it failed";
    notification.document = "{\"version\": 1}\n";
    notification.body = "web1: no answer\n";
    settings.deadline = deadline_of_children;
  }

  Notifier::Tell log() {
    return [this](EventLevel level, const std::string& text, const std::string& run) {
      lines.push_back({level, text, run});
    };
  }
  /// Tells it and waits until that is over.
  void tell(const Notify& whom) {
    Notifier notifier(loop, timeline, log(), settings);
    notifier.tell(whom, notification);
    loop.restart();
    loop.run();
    EXPECT_EQ(notifier.pending(), 0U);
    EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
  }
  std::string script(const std::string& name, const std::string& text) const {
    const std::string path = temporary.write(name, "#!/bin/sh\n" + text + "\n");
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    return path;
  }
  static Notify by(Notify::Way way, const std::string& target,
                   std::vector<NotifyOn> on = {NotifyOn::failure}) {
    return {std::move(on), way, target};
  }
  std::vector<std::string> texts(EventLevel level) const {
    std::vector<std::string> found;
    for (const Line& line : lines)
      if (line.level == level) found.push_back(line.text);
    return found;
  }

  boost::asio::io_context loop;
  HastyTimeline timeline{loop};
  test::TemporaryDirectory temporary;
  Notifier::Settings settings;
  Notification notification;
  std::vector<Line> lines;
};

TEST_F(NotifierTest, a_command_gets_the_document_and_a_clean_environment) {
  ::setenv("SECRET", "canary", 1);
  const std::string out = temporary / "out";
  const std::string tell_me = script("tell", "cat >" + out + "; env | sort >" + out + ".env; echo thanks");
  tell(by(Notify::Way::command, tell_me));
  ::unsetenv("SECRET");
  EXPECT_EQ(test::read_text(out), notification.document);
  EXPECT_EQ(test::read_text(out + ".env"),
            "HOME=" + calling_user().home +
                "\nLANG=C.UTF-8\nLC_ALL=C.UTF-8\n"
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                "PEERSTAGE_EVENT=failure\nPEERSTAGE_JOB=nightly\nPEERSTAGE_RUN=R1\n"
                "PEERSTAGE_STATUS=failed\nPWD=/\n");
  EXPECT_THAT(texts(EventLevel::info),
              ElementsAre("the command " + tell_me + " says: thanks",
                          "told the command " + tell_me + ": failure of nightly, run R1"));
  EXPECT_EQ(lines.back().run, "R1");
}

TEST_F(NotifierTest, a_command_that_fails_is_an_error_with_what_it_said) {
  const std::string tell_me = script("tell", "printf 'no\\n\\n\\033[31mway\\n' >&2; exit 4");
  tell(by(Notify::Way::command, tell_me));
  EXPECT_THAT(texts(EventLevel::warning), ElementsAre("the command " + tell_me + " says: no",
                                                      "the command " + tell_me + " says: \\x1b[31mway"));
  EXPECT_THAT(texts(EventLevel::error), ElementsAre("could not tell the command " + tell_me +
                                                    " (failure of nightly, run R1): exit status 4"));
}

TEST_F(NotifierTest, a_command_that_is_missing_is_an_error) {
  tell(by(Notify::Way::command, temporary / "missing"));
  ASSERT_EQ(texts(EventLevel::error).size(), 1U);
  EXPECT_THAT(texts(EventLevel::error).front(), HasSubstr("could not tell the command "));
}

TEST_F(NotifierTest, a_command_that_others_can_change_is_not_run_as_root) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string tell_me = script("tell", "touch " + (temporary / "ran"));
  std::filesystem::permissions(tell_me, std::filesystem::perms(0777));
  tell(by(Notify::Way::command, tell_me));
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("it is not run as root: ")));
  EXPECT_FALSE(std::filesystem::exists(temporary / "ran"));
}

TEST_F(NotifierTest, what_a_command_says_is_bounded_in_the_log) {
  tell(by(Notify::Way::command, script("tell", "seq 1 100000")));
  EXPECT_EQ(lines.size(), 102U);
  EXPECT_THAT(lines.at(100).text, HasSubstr("bytes more"));
}

TEST_F(NotifierTest, mail_goes_through_sendmail) {
  const std::string out = temporary / "mail";
  settings.sendmail = script("sendmail", "echo \"$*\" >" + out + "; cat >>" + out);
  tell(by(Notify::Way::mailto, "root"));
  const std::string mail = test::read_text(out);
  EXPECT_THAT(mail, ::testing::StartsWith("-t -i\nTo: root\nSubject: it failed\nDate: "));
  EXPECT_THAT(mail, ::testing::EndsWith("\nAuto-Submitted: auto-generated\n\nweb1: no answer\n"));
  EXPECT_THAT(texts(EventLevel::info), ElementsAre("told root by mail: failure of nightly, run R1"));
}

TEST_F(NotifierTest, a_mail_address_with_a_header_in_it_is_refused) {
  tell(by(Notify::Way::mailto, "root\nBcc: all"));
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("is not plain ASCII text")));
}

TEST_F(NotifierTest, only_those_are_told_who_asked) {
  Notifier notifier(loop, timeline, log(), settings);
  const std::string tell_me = script("tell", "exit 0");
  notifier.tell(std::vector{by(Notify::Way::command, tell_me, {NotifyOn::stale}),
                            by(Notify::Way::command, tell_me, {NotifyOn::recovery, NotifyOn::always})},
                notification);
  EXPECT_EQ(notifier.pending(), 1U);
  loop.run();
}

TEST_F(NotifierTest, few_run_at_once_the_others_wait_and_too_many_are_refused) {
  settings.at_once = 2;
  settings.waiting = 3;
  Notifier notifier(loop, timeline, log(), settings);
  const std::string count = temporary / "count";
  const std::string tell_me = script("tell", "echo begin >>" + count + "; sleep 0.1; echo end >>" + count);
  for (int i = 0; i < 7; ++i) notifier.tell(by(Notify::Way::command, tell_me), notification);
  EXPECT_EQ(notifier.pending(), 5U);
  EXPECT_THAT(texts(EventLevel::error),
              ElementsAre(HasSubstr("3 others wait already"), HasSubstr("3 others")));
  loop.run();
  EXPECT_EQ(texts(EventLevel::info).size(), 5U);
  int running = 0, most = 0;
  std::istringstream trace(test::read_text(count));
  for (std::string word; trace >> word;) most = std::max(most, running += word == "begin" ? 1 : -1);
  EXPECT_EQ(most, 2);
}

TEST_F(NotifierTest, a_hanging_command_does_not_stop_the_loop) {
  settings.deadline = milliseconds(500);
  settings.mercy = milliseconds(100);
  Notifier notifier(loop, timeline, log(), settings);
  notifier.tell(by(Notify::Way::command, script("tell", "trap '' TERM; while :; do sleep 1; done")),
                notification);
  int ticks = 0;
  std::unique_ptr<Alarm> alarm;
  AsioTimeline real(loop);
  const std::function<void()> tick = [&] {
    ++ticks;
    if (notifier.pending() > 0) alarm = real.after(milliseconds(5), tick);
  };
  tick();
  loop.run();
  EXPECT_GT(ticks, 30);
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("it did not end in time and was killed")));
}

TEST_F(NotifierTest, at_the_stop_what_is_quick_gets_through_and_the_rest_is_killed) {
  settings.at_once = 1;
  Notifier notifier(loop, timeline, log(), settings);
  const std::string quick = script("quick", "exit 0");
  const std::string slow = script("slow", "sleep 1000");
  for (const std::string& command : {quick, slow, quick})
    notifier.tell(by(Notify::Way::command, command), notification);
  int stopped = 0;
  notifier.stop(milliseconds(1000), [&] { ++stopped; });
  notifier.tell(by(Notify::Way::command, quick), notification);
  loop.run();
  EXPECT_EQ(stopped, 1);
  EXPECT_EQ(texts(EventLevel::info).size(), 1U);
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("the daemon is stopping"),
                                                    HasSubstr("slow (failure of nightly, run R1): the "
                                                              "daemon is stopping"),
                                                    HasSubstr("quick (failure")));
  EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
}

TEST_F(NotifierTest, a_stop_with_nothing_to_do_is_done_at_once) {
  Notifier notifier(loop, timeline, log(), settings);
  bool stopped = false;
  notifier.stop(milliseconds(2000), [&] { stopped = true; });
  EXPECT_FALSE(stopped);
  loop.run();
  EXPECT_TRUE(stopped);
}

TEST_F(NotifierTest, many_deliveries_leave_nothing_behind) {
  const Notify whom = by(Notify::Way::command, script("tell", "exit 0"));
  tell(whom);
  const std::size_t before = test::open_descriptors();
  for (int i = 0; i < 30; ++i) tell(whom);
  EXPECT_EQ(test::open_descriptors(), before);
}

/// tests/service/http_server.py, gone with the test.
class WebServer {
 public:
  explicit WebServer(const std::vector<std::string>& statuses) {
    std::vector<std::string> words{PEERSTAGE_TEST_DATA "/http_server.py", directory_.path().string()};
    words.insert(words.end(), statuses.begin(), statuses.end());
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    while (test::read_text(directory_ / "port").empty()) ::usleep(10'000);
  }
  ~WebServer() { stop(); }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  void stop() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + test::read_text(directory_ / "port") + path;
  }
  nlohmann::json request(int number) const {
    return nlohmann::json::parse(test::read_text(directory_ / ("request-" + std::to_string(number))));
  }
  bool was_asked(int number) const {
    return std::filesystem::exists(directory_ / ("request-" + std::to_string(number)));
  }

 private:
  test::TemporaryDirectory directory_;
  pid_t pid_ = -1;
};

class PostTest : public NotifierTest {
 protected:
  void post(const std::string& url) {
    Notifier notifier(loop, timeline, log(), settings);
    notifier.tell(by(Notify::Way::url, url), notification);
    loop.restart();
    loop.run();
    EXPECT_EQ(notifier.pending(), 0U);
  }
  /// Of the attempts, without the deadlines of the children.
  std::vector<milliseconds> delays() const {
    std::vector<milliseconds> found;
    for (const milliseconds delay : timeline.delays)
      if (delay != settings.deadline) found.push_back(delay);
    return found;
  }
};

TEST_F(PostTest, a_server_gets_the_document_as_json) {
  const WebServer server({"204"});
  notification.document = "{\"text\": \"" + std::string(100'000, 'x') + "\"}\n";
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  post(server.url("/T0/secret?x=1"));
  ::unsetenv("http_proxy");
  const nlohmann::json request = server.request(1);
  EXPECT_EQ(request["path"], "/T0/secret?x=1");
  EXPECT_EQ(request["headers"]["content-type"], "application/json");
  EXPECT_EQ(request["headers"].count("expect"), 0U);
  EXPECT_EQ(request["body"], notification.document);
  EXPECT_THAT(texts(EventLevel::info),
              ElementsAre("told " + server.url("") + ": failure of nightly, run R1"));
  EXPECT_THAT(delays(), IsEmpty());
}

TEST_F(PostTest, a_server_that_does_not_take_it_is_asked_again) {
  const WebServer server({"500", "404", "200"});
  post(server.url("/"));
  EXPECT_THAT(texts(EventLevel::warning),
              ElementsAre("could not tell " + server.url("") +
                              ": the server answered with status 500; next attempt in 10 s",
                          "could not tell " + server.url("") +
                              ": the server answered with status 404; next attempt in 1m00s"));
  EXPECT_EQ(texts(EventLevel::info).size(), 1U);
  EXPECT_TRUE(server.was_asked(3));
}

TEST_F(PostTest, a_server_that_never_takes_it_is_given_up) {
  const WebServer server({"503"});
  post(server.url("/"));
  EXPECT_THAT(texts(EventLevel::error), ElementsAre("could not tell " + server.url("") +
                                                    " (failure of nightly, run R1): the server "
                                                    "answered with status 503 (4 attempts)"));
  EXPECT_THAT(delays(), ElementsAre(milliseconds(10'000), milliseconds(60'000), milliseconds(300'000)));
  EXPECT_TRUE(server.was_asked(4));
  EXPECT_FALSE(server.was_asked(5));
}

TEST_F(PostTest, a_redirection_is_not_followed) {
  const WebServer server({"302"});
  post(server.url("/"));
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("status 302")));
}

TEST_F(PostTest, nobody_there_is_told_so) {
  WebServer server({"200"});
  const std::string url = server.url("/");
  server.stop();
  post(url);
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("Failed to connect")));
}

TEST_F(PostTest, other_protocols_are_refused) {
  const std::string file = temporary.write("file", "x");
  post("file://" + file);
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("file")));
}

TEST_F(PostTest, an_endless_answer_is_cut_off) {
  const WebServer server({"endless"});
  post(server.url("/"));
  EXPECT_EQ(texts(EventLevel::info).size(), 1U);
}

TEST_F(PostTest, one_that_waits_for_its_next_attempt_is_given_up_at_the_stop) {
  const WebServer server({"500"});
  AsioTimeline real(loop);
  Notifier notifier(loop, real, log(), settings);
  notifier.tell(by(Notify::Way::url, server.url("/")), notification);
  while (texts(EventLevel::warning).empty()) loop.run_one();
  bool stopped = false;
  notifier.stop(milliseconds(2000), [&] { stopped = true; });
  loop.run();
  EXPECT_TRUE(stopped);
  EXPECT_THAT(texts(EventLevel::error), ElementsAre(HasSubstr("stopping before the next attempt")));
}

/// In a child, because it confines itself for good: what the function says, and how long it took.
TEST(HttpPost, a_silent_server_is_waited_for_as_long_as_was_asked) {
  const WebServer server({"silence"});
  boost::asio::io_context loop;
  AsioTimeline timeline(loop);
  HttpPost post;
  post.url = server.url("/");
  post.parent = ::getpid();
  post.timeout = milliseconds(500);
  ChildOrder order;
  order.body = [post] { return post_from_standard_input(post); };
  order.input = "{}";
  std::optional<ChildResult> result;
  const ChildCommand child(loop, timeline, order, [&](const ChildResult& told) { result = told; });
  loop.run();
  EXPECT_EQ(result.value().number, 1);
  EXPECT_THAT(result->output, HasSubstr("timed out after 50"));
}

}  // namespace
}  // namespace peerstage::daemon
