#include "daemon/screen.h"

#include <csignal>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/daemon/environment.h"
#include "tests/daemon/watched_screen.h"

namespace peerstage::daemon {
namespace {

constexpr auto a_pipe = WatchedDescriptor::Kind::pipe;
constexpr auto a_terminal = WatchedDescriptor::Kind::terminal;

/// Fills a pipe to its last byte.
void fill(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  while (::write(descriptor, "x", 1) == 1) {
  }
  ::fcntl(descriptor, F_SETFL, flags);
}

TEST(ScreenOnAPipe, writes_lines_and_no_live_ones) {
  WatchedScreen watched(a_pipe);
  Screen& screen = watched.screen();
  EXPECT_FALSE(screen.is_terminal());
  screen.live({"50%"});
  screen.line("first");
  screen.line("second");
  EXPECT_EQ(watched.shown(), "first\nsecond\n");
}

TEST(ScreenOnAPipe, writes_a_line_that_is_longer_than_the_pipe_takes_at_once) {
  WatchedScreen watched(a_pipe);
  Screen& screen = watched.screen();
  const std::string text(20'000, 'x');
  screen.line(text);
  EXPECT_EQ(watched.shown(), text + "\n");
}

TEST(ScreenThatNobodyReads, loses_lines_instead_of_waiting_and_tells_later) {
  WatchedScreen watched(a_pipe);
  Screen& screen = watched.screen();
  fill(watched.descriptor());
  screen.line("lost");
  screen.line("lost too");
  watched.shown();
  screen.line("seen");
  EXPECT_EQ(watched.shown(), "(2 lines are missing here, because nobody read them)\nseen\n");
}

TEST(ScreenWhoseReaderIsGone, takes_lines_without_complaint) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  WatchedScreen watched(a_pipe);
  watched.close_far_end();
  Screen& screen = watched.screen();
  screen.line("nobody");
  screen.line("reads this");
  std::signal(SIGPIPE, before);
}

TEST(ScreenThatIsClosed, takes_lines_without_complaint) {
  Screen screen(-1);
  EXPECT_FALSE(screen.is_terminal());
  screen.line("nobody");
}

TEST(ScreenOfUnknownSize, is_taken_for_80_by_24) {
  WatchedScreen watched(a_pipe);
  Screen& screen = watched.screen();
  EXPECT_EQ(screen.size().columns, 80U);
  EXPECT_EQ(screen.size().rows, 24U);
}

TEST(ScreenOnATerminal, knows_its_size) {
  WatchedScreen watched(a_terminal);
  Screen& screen = watched.screen();
  EXPECT_TRUE(screen.is_terminal());
  EXPECT_EQ(screen.size().columns, 60U);
  EXPECT_EQ(screen.size().rows, 10U);
}

TEST(ScreenOnADumbTerminal, has_no_live_lines) {
  const Environment type("TERM", "dumb");
  WatchedScreen watched(a_terminal);
  watched.screen().live({"a 1%"});
  watched.screen().line("done");
  EXPECT_EQ(watched.shown(), "done\n");
}

TEST(ScreenOnATerminal, replaces_live_lines_by_later_ones) {
  WatchedScreen watched(a_terminal);
  Screen& screen = watched.screen();
  screen.live({"a 1%", "b 2%"});
  EXPECT_EQ(watched.shown(), "\x1b[?7la 1%\nb 2%\n\x1b[?7h");
  screen.live({"a 3%"});
  EXPECT_EQ(watched.shown(), "\x1b[2F\x1b[J\x1b[?7la 3%\n\x1b[?7h");
  screen.live({});
  EXPECT_EQ(watched.shown(), "\x1b[1F\x1b[J");
  screen.live({});
  EXPECT_EQ(watched.shown(), "");
}

TEST(ScreenOnATerminal, puts_lines_that_stay_above_the_live_ones) {
  WatchedScreen watched(a_terminal);
  Screen& screen = watched.screen();
  screen.live({"a 1%"});
  watched.shown();
  screen.line("b failed");
  EXPECT_EQ(watched.shown(), "\x1b[1F\x1b[Jb failed\n\x1b[?7la 1%\n\x1b[?7h");
}

}  // namespace
}  // namespace peerstage::daemon
