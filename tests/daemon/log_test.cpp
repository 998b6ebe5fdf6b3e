#include "daemon/log.h"

#include <cstdlib>
#include <ctime>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/daemon/environment.h"
#include "tests/daemon/watched_screen.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::daemon {
namespace {

using peers::EventLevel;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status;
}

class TimeZone : public Environment {
 public:
  explicit TimeZone(const char* name) : Environment("TZ", name) { ::tzset(); }
};

class LogInADirectory : public testing::Test {
 protected:
  LogFile file() const {
    LogFile file;
    file.path = log_path_;
    file.owner = {"no such user", "no such group"};
    return file;
  }
  Screen& screen() { return screen_.screen(); }
  std::string screen_content() const { return screen_.shown(); }
  std::string log_content() const { return test::read_text(log_path_); }

  const test::TemporaryDirectory directory_;
  const std::string log_path_ = directory_ / "log";

 private:
  WatchedScreen screen_{WatchedScreen::Kind::pipe};
};

TEST(LogLine, has_local_time_zone_and_padded_level) {
  const TimeZone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  const auto summer = std::chrono::system_clock::from_time_t(1'782'864'000);  // 2026-07-01 00:00:00 UTC
  const auto winter = std::chrono::system_clock::from_time_t(1'767'225'600);  // 2026-01-01 00:00:00 UTC
  EXPECT_EQ(log_line(summer, EventLevel::info, "text"), "2026-07-01T02:00:00 CEST --> [INFO   ] text");
  EXPECT_EQ(log_line(winter, EventLevel::warning, "text"), "2026-01-01T01:00:00 CET --> [WARNING] text");
  EXPECT_EQ(log_line(winter, EventLevel::error, "text"), "2026-01-01T01:00:00 CET --> [ERROR  ] text");
  EXPECT_EQ(log_line(winter, EventLevel::debug, "text"), "2026-01-01T01:00:00 CET --> [DEBUG  ] text");
}

struct Text {
  const char* name;
  std::string text, line;
};

class LoggedText : public testing::TestWithParam<Text> {};

TEST_P(LoggedText, is_one_harmless_line) {
  EXPECT_THAT(log_line({}, EventLevel::info, GetParam().text), EndsWith("] " + GetParam().line));
}

INSTANTIATE_TEST_SUITE_P(
    Log, LoggedText,
    testing::Values(Text{"plain", "Größe {} %s", "Größe {} %s"}, Text{"empty", "", ""},
                    Text{"newline", "a\nb", R"(a\x0ab)"}, Text{"terminal_escape", "\x1b[2J", R"(\x1b[2J)"},
                    Text{"not_utf8", "\xff", R"(\xff)"},
                    Text{"printable_text_is_not_escaped_again", R"(a\x0a\\b\)", R"(a\x0a\\b\)"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(LogInADirectory, appends_lines_from_info_on) {
  std::ofstream(log_path_) << "before\n";
  Log log(file(), screen(), std::nullopt);
  log.debug("not this");
  log.info("one");
  log.error("two");
  EXPECT_THAT(log_content(),
              MatchesRegex("before\n[^\n]* --> \\[INFO   \\] one\n[^\n]* --> \\[ERROR  \\] two\n"));
  EXPECT_EQ(screen_content(), "");
}

TEST_F(LogInADirectory, takes_text_literally) {
  Log log(file(), screen(), EventLevel::error);
  log.error("100% {} %n");
  EXPECT_THAT(log_content(), HasSubstr("] 100% {} %n\n"));
  EXPECT_EQ(screen_content(), "100% {} %n\n");
}

TEST_F(LogInADirectory, has_debug_lines_on_request) {
  LogFile with_debug = file();
  with_debug.threshold = EventLevel::debug;
  Log log(with_debug, screen(), std::nullopt);
  log.debug("this");
  EXPECT_THAT(log_content(), HasSubstr("[DEBUG  ] this\n"));
}

TEST_F(LogInADirectory, shows_bare_text_on_the_screen_from_the_threshold_on) {
  Log log(file(), screen(), EventLevel::error);
  log.warning("not this");
  log.error("this\nin one line");
  EXPECT_EQ(screen_content(), "this\\x0ain one line\n");
}

TEST_F(LogInADirectory, gives_a_new_file_exactly_its_mode_whatever_the_umask) {
  const auto before = ::umask(0777);
  LogFile open_to_all = file();
  open_to_all.mode = {0666};
  const Log log(open_to_all, screen(), std::nullopt);
  ::umask(before);
  EXPECT_EQ(status_of(log_path_).st_mode & 07777U, 0666U);
}

TEST_F(LogInADirectory, writes_to_a_new_file_that_its_mode_makes_read_only) {
  LogFile read_only = file();
  read_only.mode = {0400};
  Log log(read_only, screen(), std::nullopt);
  log.info("text");
  EXPECT_EQ(status_of(log_path_).st_mode & 07777U, 0400U);
  EXPECT_THAT(log_content(), HasSubstr("text"));
}

TEST_F(LogInADirectory, leaves_the_mode_of_an_existing_file_alone) {
  std::ofstream(log_path_) << "";
  ::chmod(log_path_.c_str(), 0604);
  const Log log(file(), screen(), std::nullopt);
  EXPECT_EQ(status_of(log_path_).st_mode & 07777U, 0604U);
}

TEST_F(LogInADirectory, gives_a_new_file_to_its_owner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  LogFile of_daemon = file();
  of_daemon.owner = {"daemon", "daemon"};
  const Log log(of_daemon, screen(), std::nullopt);
  EXPECT_EQ(status_of(log_path_).st_uid, 1U);
  EXPECT_EQ(status_of(log_path_).st_gid, 1U);
}

TEST_F(LogInADirectory, leaves_the_owner_of_an_existing_file_alone) {
  std::ofstream(log_path_) << "";
  LogFile of_daemon = file();
  of_daemon.owner = {"daemon", "daemon"};
  const Log log(of_daemon, screen(), std::nullopt);
  EXPECT_EQ(status_of(log_path_).st_uid, ::geteuid());
}

TEST_F(LogInADirectory, does_not_mind_an_owner_that_does_not_exist) {
  LogFile of_nobody = file();
  of_nobody.owner = {"no such user", "no such group"};
  const Log log(of_nobody, screen(), std::nullopt);
  EXPECT_EQ(status_of(log_path_).st_uid, ::geteuid());
}

TEST_F(LogInADirectory, that_cannot_be_opened_is_an_error_that_names_it) {
  LogFile missing = file();
  missing.path = directory_ / "missing/log";
  try {
    const Log log(missing, screen(), std::nullopt);
    FAIL() << "no error";
  } catch (const LogError& error) {
    EXPECT_THAT(error.what(), HasSubstr(*missing.path + ": No such file or directory"));
  }
}

TEST_F(LogInADirectory, that_is_a_directory_is_an_error) {
  LogFile wrong = file();
  wrong.path = directory_.path().string();
  EXPECT_THROW(Log(wrong, screen(), std::nullopt), LogError);
}

TEST_F(LogInADirectory, that_is_a_fifo_without_reader_is_an_error_and_does_not_block) {
  ASSERT_EQ(::mkfifo(log_path_.c_str(), 0600), 0);
  EXPECT_THROW(Log(file(), screen(), std::nullopt), LogError);
}

TEST_F(LogInADirectory, that_cannot_be_written_any_more_is_told_once_on_the_screen) {
  LogFile full = file();
  full.path = "/dev/full";
  Log log(full, screen(), EventLevel::error);
  log.info("one");
  log.info("two");
  EXPECT_EQ(screen_content(), "the log cannot be written, lines are lost: No space left on device\n");
}

TEST_F(LogInADirectory, that_is_not_told_of_a_journal_writes_to_the_screen_as_ever) {
  const Environment stream("JOURNAL_STREAM", "1:1");
  Log log(file(), screen(), EventLevel::error);
  log.error("text");
  EXPECT_EQ(screen_content(), "text\n");
}

TEST_F(LogInADirectory, leaves_out_a_screen_that_is_the_journals_as_well) {
  const WatchedDescriptor stream(WatchedDescriptor::Kind::pipe);
  struct stat status {};
  ASSERT_EQ(::fstat(stream.descriptor(), &status), 0);
  const Environment variable("JOURNAL_STREAM",
                             std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino));
  Screen same(stream.descriptor());
  const int standard_error = ::dup(STDERR_FILENO);
  ::dup2(stream.descriptor(), STDERR_FILENO);
  {
    Log twice(file(), same, EventLevel::error);
    twice.error("a line of the tests");
    Log apart(file(), screen(), EventLevel::error);
    apart.error("a line of the tests");
  }
  ::dup2(standard_error, STDERR_FILENO);
  ::close(standard_error);
  EXPECT_EQ(stream.shown(), "");
  EXPECT_EQ(screen_content(), "a line of the tests\n");
}

/// Runs in a process of its own, which is not root any more.
[[noreturn]] void log_to_the_default_path(const std::string& home) {
  if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
  ::setenv("HOME", home.c_str(), 1);
  Screen screen(-1);
  Log log(LogFile(), screen, std::nullopt);
  log.info("hello");
  ::_exit(0);
}

class DefaultLog : public LogInADirectory {
 protected:
  DefaultLog() { ::chmod(directory_.path().c_str(), 0777); }
};

TEST_F(DefaultLog, stands_below_the_state_directory_whose_parents_are_made) {
  const Environment state("XDG_STATE_HOME", directory_ / "deep/state");
  EXPECT_EXIT(log_to_the_default_path(directory_ / "home"), testing::ExitedWithCode(0), "");
  EXPECT_THAT(test::read_text(directory_ / "deep/state/peerstage/peerstage.log"), HasSubstr("hello"));
  EXPECT_EQ(status_of(directory_ / "deep/state").st_mode & 0777U, 0700U);
}

TEST_F(DefaultLog, stands_in_the_home_directory_when_the_state_directory_is_not_absolute) {
  const Environment state("XDG_STATE_HOME", "state");
  EXPECT_EXIT(log_to_the_default_path(directory_ / "home"), testing::ExitedWithCode(0), "");
  EXPECT_THAT(test::read_text(directory_ / "home/.local/state/peerstage/peerstage.log"), HasSubstr("hello"));
}

TEST_F(DefaultLog, of_root_stands_with_the_logs_of_the_system) {
  if (::geteuid() != 0) GTEST_SKIP() << "this is about root";
  const Environment state("XDG_STATE_HOME", "/elsewhere");
  EXPECT_EQ(default_log_path(), "/var/log/peerstage.log");
}

TEST(ScreenThreshold, follows_the_switches) {
  EXPECT_EQ(screen_threshold(Verbosity::errors, EventLevel::info), EventLevel::error);
  EXPECT_EQ(screen_threshold(Verbosity::errors, EventLevel::debug), EventLevel::error);
  EXPECT_EQ(screen_threshold(Verbosity::verbose, EventLevel::info), EventLevel::info);
  EXPECT_EQ(screen_threshold(Verbosity::verbose, EventLevel::debug), EventLevel::debug);
  EXPECT_EQ(screen_threshold(Verbosity::quiet, EventLevel::debug), std::nullopt);
}

}  // namespace
}  // namespace peerstage::daemon
