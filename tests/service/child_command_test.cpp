#include "daemon/service/child_command.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/asio_timeline.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using End = ChildResult::End;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class ChildCommandTest : public ::testing::Test {
 protected:
  /// Runs it to its end; the loop may have nothing left to do then.
  ChildResult run(ChildOrder order) {
    std::optional<ChildResult> result;
    ChildCommand command(loop, timeline, std::move(order), [&](const ChildResult& told) { result = told; });
    loop.restart();
    loop.run();
    return result.value();
  }
  static ChildOrder shell(const std::string& script) {
    ChildOrder order;
    order.body = run_program({"/bin/sh", "-c", script}, {"PATH=/usr/bin:/bin"});
    order.deadline = milliseconds(20'000);
    return order;
  }

  boost::asio::io_context loop;
  AsioTimeline timeline{loop};
  test::TemporaryDirectory temporary;
};

/// No child is left, dead or alive.
bool all_reaped() {
  return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
}

/// A process that is not our child dies, whoever has to reap it.
bool ends(pid_t process) {
  for (int looks = 0; looks < 1000; ++looks) {
    std::string number, name, state;
    std::ifstream("/proc/" + std::to_string(process) + "/stat") >> number >> name >> state;
    if (state.empty() || state == "Z" || state == "X") return true;
    ::usleep(10'000);
  }
  return false;
}

TEST_F(ChildCommandTest, output_and_exit_status_are_told) {
  ChildOrder order = shell("cat; echo err >&2; exit 3");
  order.input = "in\n";
  const ChildResult result = run(order);
  EXPECT_EQ(result.end, End::exited);
  EXPECT_EQ(result.number, 3);
  EXPECT_EQ(result.output, "in\nerr\n");
  EXPECT_EQ(result.output_bytes, 7U);
  EXPECT_EQ(to_string(result), "exit status 3");
  EXPECT_TRUE(all_reaped());
}

TEST_F(ChildCommandTest, environment_place_and_descriptors_are_ours_to_say) {
  const int leaked = ::dup2(STDERR_FILENO, 77);  // not close-on-exec
  const ChildResult result = run(shell("env | sort; pwd; umask; ls /proc/$$/fd"));
  ::close(leaked);
  EXPECT_EQ(result.output, "PATH=/usr/bin:/bin\nPWD=/\n/\n0022\n0\n1\n2\n");
}

TEST_F(ChildCommandTest, signals_are_as_a_program_expects_them) {
  std::signal(SIGPIPE, SIG_IGN);
  const ChildResult result = run(shell("exec grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  std::signal(SIGPIPE, SIG_DFL);
  EXPECT_THAT(result.output, MatchesRegex("SigBlk:\t0+\nSigIgn:\t0+\n"));
}

TEST_F(ChildCommandTest, input_that_nobody_reads_holds_nothing_up) {
  ChildOrder order = shell("exit 0");
  order.input = std::string(8U << 20U, 'x');
  EXPECT_TRUE(run(order).succeeded());
}

TEST_F(ChildCommandTest, input_of_megabytes_arrives_whole) {
  ChildOrder order = shell("wc -c");
  order.input = std::string(8U << 20U, 'x');
  EXPECT_EQ(run(order).output, "8388608\n");
}

TEST_F(ChildCommandTest, output_beyond_the_limit_is_counted_and_dropped) {
  ChildOrder order = shell("head -c 1000000 /dev/zero");
  order.output_limit = 1000;
  const ChildResult result = run(order);
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output, std::string(1000, '\0'));
  EXPECT_EQ(result.output_bytes, 1'000'000U);
}

TEST_F(ChildCommandTest, a_flood_is_ended) {
  const std::size_t before = test::resident_bytes();
  const ChildResult result = run(shell("yes"));
  EXPECT_EQ(result.end, End::flood);
  EXPECT_EQ(result.output.size(), 64U << 10U);
  EXPECT_TRUE(test::grew_by_less_than(8U << 20U, before));
  EXPECT_TRUE(all_reaped());
}

TEST_F(ChildCommandTest, one_that_hangs_is_ended_at_its_deadline_with_its_children) {
  ChildOrder order = shell("sleep 1000 & echo $!; sleep 1000");
  order.deadline = milliseconds(300);
  const ChildResult result = run(order);
  EXPECT_EQ(result.end, End::deadline);
  EXPECT_EQ(to_string(result), "it did not end in time and was killed");
  EXPECT_TRUE(all_reaped());
  EXPECT_TRUE(ends(std::stoi(result.output)));
}

TEST_F(ChildCommandTest, one_that_ignores_the_deadline_is_killed) {
  ChildOrder order = shell("exec 2>/dev/null; trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done");
  order.deadline = milliseconds(500);
  order.mercy = milliseconds(300);
  const ChildResult result = run(order);
  EXPECT_EQ(result.end, End::deadline);
  EXPECT_EQ(result.number, SIGKILL);
  EXPECT_EQ(result.output, "ready\nno\n");
  EXPECT_TRUE(all_reaped());
}

TEST_F(ChildCommandTest, output_is_heard_as_it_comes_whether_it_is_kept_or_not) {
  std::string heard;
  ChildOrder order = shell("echo one; read _ < " + (temporary / "fifo") + "; echo two");
  ASSERT_EQ(::mkfifo((temporary / "fifo").c_str(), 0600), 0);
  order.output_limit = 2;
  order.heard = [&](std::string_view bytes) {
    heard += bytes;
    if (heard == "one\n") std::ofstream(temporary / "fifo") << "go on\n";
  };
  const ChildResult ended = run(std::move(order));
  EXPECT_TRUE(ended.succeeded());
  EXPECT_EQ(heard, "one\ntwo\n");
  EXPECT_EQ(ended.output, "on");
}

TEST_F(ChildCommandTest, one_can_be_ended_even_before_it_has_begun) {
  std::optional<ChildResult> result;
  ChildOrder order = shell("exec sleep 600");
  order.mercy = milliseconds(600'000);
  ChildCommand command(loop, timeline, std::move(order), [&](const ChildResult& told) {
    result = told;
    loop.stop();
  });
  command.end();
  loop.run();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->end, End::asked);
  EXPECT_TRUE(all_reaped());
}

TEST_F(ChildCommandTest, one_that_goes_to_the_background_with_its_output_open_is_not_waited_for) {
  const auto start = std::chrono::steady_clock::now();
  const ChildResult result = run(shell("setsid sleep 20 & echo started"));
  EXPECT_TRUE(result.succeeded());
  EXPECT_EQ(result.output, "started\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_TRUE(all_reaped());
}

TEST_F(ChildCommandTest, what_is_left_of_its_group_is_killed_or_left_alone) {
  for (const Leftovers leftovers : {Leftovers::killed, Leftovers::left_alone}) {
    const std::string trace = temporary / ("trace" + std::to_string(static_cast<int>(leftovers)));
    ChildOrder order = shell("(sleep 0.4; echo done > " + trace + ") >/dev/null 2>&1 & exit 0");
    order.leftovers = leftovers;
    EXPECT_TRUE(run(order).succeeded());
    const auto limit = std::chrono::steady_clock::now() +
                       (leftovers == Leftovers::killed ? milliseconds(1000) : milliseconds(20'000));
    while (test::read_text(trace).empty() && std::chrono::steady_clock::now() < limit) ::usleep(20'000);
    EXPECT_EQ(test::read_text(trace), leftovers == Leftovers::killed ? "" : "done\n");
  }
}

TEST_F(ChildCommandTest, a_missing_program_says_so) {
  ChildOrder order;
  order.body = run_program({"/nonexistent/tell"}, {});
  const ChildResult result = run(order);
  EXPECT_EQ(result.number, 127);
  EXPECT_EQ(result.output, "cannot run it: No such file or directory\n");
}

TEST_F(ChildCommandTest, one_that_is_killed_says_by_what) {
  const ChildResult result = run(shell("kill -SEGV $$"));
  EXPECT_EQ(result.end, End::by_signal);
  EXPECT_EQ(to_string(result), "it was ended by the signal SEGV");
}

TEST_F(ChildCommandTest, what_is_thrown_in_the_child_stays_there) {
  ChildOrder order;
  order.body = []() -> int { throw std::runtime_error("so it goes"); };
  const ChildResult result = run(order);
  EXPECT_EQ(result.number, 126);
  EXPECT_EQ(result.output, "so it goes\n");
}

TEST_F(ChildCommandTest, destroying_it_kills_it_and_tells_nothing) {
  bool told = false;
  {
    const ChildCommand command(loop, timeline, shell("sleep 1000"), [&](const ChildResult&) { told = true; });
    loop.poll();
  }
  EXPECT_TRUE(all_reaped());
  loop.restart();
  loop.run();
  EXPECT_FALSE(told);
}

TEST_F(ChildCommandTest, many_of_them_leave_nothing_behind) {
  run(shell("exit 0"));
  const std::size_t before = test::open_descriptors();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(run(shell("exit 0")).succeeded());
  EXPECT_EQ(test::open_descriptors(), before);
  EXPECT_TRUE(all_reaped());
}

}  // namespace
}  // namespace peerstage::daemon
