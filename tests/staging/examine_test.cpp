#include "peers/staging/examine.h"

#include <filesystem>
#include <functional>
#include <map>
#include <semaphore>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers/staging/staged_days.h"
#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

namespace fs = std::filesystem;
using Kind = DayProblem::Kind;
using Problems = std::map<std::string, Kind>;
using ::testing::HasSubstr;

class Examine : public StagingFixture {
 protected:
  Examine() {
    peer.add_file("/collect/cback.collect", "");
    peer.add_file("/collect/a", "alpha");
    peer.add_directory("/collect/sub");
    peer.add_file("/collect/sub/b", "beta");
    stage();
  }

  std::optional<ExaminedDay> look(std::size_t threads = 2) {
    const Directory root = Directory::open(staging_dir);
    const auto day = find_day(root, today);
    return examine(day.value(), "web1", threads, bytes_read);
  }
  Problems problems() {
    const ExaminedDay examined = look().value();
    Problems found;
    for (const DayProblem& each : examined.problems) {
      EXPECT_TRUE(found.emplace(each.name, each.kind).second) << "twice: " << each.name;
      EXPECT_THAT(each.message, HasSubstr(each.name));
    }
    return found;
  }
  std::string staged(const std::string& name) const { return peer_day() + "/" + name; }

  std::atomic<std::uint64_t> bytes_read{0};
};

TEST_F(Examine, a_day_as_it_was_staged_has_no_problems) {
  const auto found = look();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->problems, std::vector<DayProblem>{});
  EXPECT_EQ(found->files, 3U);
  EXPECT_EQ(found->bytes, 9U);
  EXPECT_EQ(bytes_read, 9U);
  EXPECT_FALSE(found->is_damaged());
}

TEST_F(Examine, leaves_no_trace) {
  // As if it had last been read before it was written: any read would show, whatever the mount options.
  const timespec times[2] = {{1'000'000, 0}, {2'000'000, 0}};
  ::utimensat(AT_FDCWD, staged("a").c_str(), times, 0);
  const Tree before = traces_of(staging_dir);
  EXPECT_TRUE(look()->problems.empty());
  EXPECT_EQ(traces_of(staging_dir), before);
}

struct Change {
  const char* name;
  std::function<void(const std::string& day)> make;
  Problems problems;
};

class ChangedDay : public Examine, public ::testing::WithParamInterface<Change> {};

TEST_P(ChangedDay, is_told_by_name) {
  GetParam().make(peer_day());
  EXPECT_EQ(problems(), GetParam().problems);
}

void replace_by_socket(const std::string& path) {
  fs::remove(path);
  sockaddr_un address{AF_UNIX, {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot bind");
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, ChangedDay,
    ::testing::Values(
        Change{
            "flipped_bit", [](const auto& day) { write_file(day + "/a", "alphA"); }, {{"a", Kind::damaged}}},
        Change{"cut", [](const auto& day) { fs::resize_file(day + "/a", 4); }, {{"a", Kind::damaged}}},
        Change{"grown", [](const auto& day) { fs::resize_file(day + "/a", 6); }, {{"a", Kind::damaged}}},
        Change{"deleted", [](const auto& day) { fs::remove(day + "/sub/b"); }, {{"sub/b", Kind::missing}}},
        Change{"directory_deleted",
               [](const auto& day) { fs::remove_all(day + "/sub"); },
               {{"sub/b", Kind::missing}}},
        Change{"symlink_to_the_same_content",
               [](const auto& day) {
                 fs::rename(day + "/a", day + "/../a");
                 fs::create_symlink(day + "/../a", day + "/a");
               },
               {{"a", Kind::damaged}}},
        Change{"directory_is_a_symlink",
               [](const auto& day) {
                 fs::rename(day + "/sub", day + "/../cback.sub");
                 fs::create_directory_symlink(day + "/../cback.sub", day + "/sub");
               },
               {{"sub", Kind::extra}, {"sub/b", Kind::damaged}}},
        Change{"fifo",
               [](const auto& day) {
                 fs::remove(day + "/a");
                 ::mkfifo((day + "/a").c_str(), 0600);
               },
               {{"a", Kind::damaged}}},
        Change{"socket", [](const auto& day) { replace_by_socket(day + "/a"); }, {{"a", Kind::damaged}}},
        Change{"directory",
               [](const auto& day) {
                 fs::remove(day + "/a");
                 fs::create_directory(day + "/a");
               },
               {{"a", Kind::damaged}}},
        Change{"added",
               [](const auto& day) {
                 write_file(day + "/sub/new/c", "c");
                 fs::create_symlink("/etc/passwd", day + "/link");
                 ::mkfifo((day + "/fifo").c_str(), 0600);
               },
               {{"fifo", Kind::extra}, {"link", Kind::extra}, {"sub/new/c", Kind::extra}}},
        Change{"markers_of_tools",
               [](const auto& day) {
                 for (const char* marker : {"stage", "store", "encrypt", "split", "amazons3"})
                   write_file(day + "/cback." + marker, "");
               },
               {}},
        Change{"no_manifest",
               [](const auto& day) { fs::remove(day + "/cback.sha256"); },
               {{"cback.sha256", Kind::no_manifest}}},
        Change{"empty_manifest",
               [](const auto& day) { fs::resize_file(day + "/cback.sha256", 0); },
               {{"cback.sha256", Kind::bad_manifest}}},
        Change{"torn_manifest",
               [](const auto& day) { fs::resize_file(day + "/cback.sha256", 100); },
               {{"cback.sha256", Kind::bad_manifest}}},
        Change{"manifest_is_a_symlink",
               [](const auto& day) {
                 fs::rename(day + "/cback.sha256", day + "/../cback.sums");
                 fs::create_symlink(day + "/../cback.sums", day + "/cback.sha256");
               },
               {{"cback.sha256", Kind::bad_manifest}}},
        Change{"manifest_is_a_fifo",
               [](const auto& day) {
                 fs::remove(day + "/cback.sha256");
                 ::mkfifo((day + "/cback.sha256").c_str(), 0600);
               },
               {{"cback.sha256", Kind::bad_manifest}}},
        Change{
            "manifest_names_what_is_above",
            [](const auto& day) { write_file(day + "/cback.sha256", std::string(64, '0') + "  ../../x\n"); },
            {{"cback.sha256", Kind::bad_manifest}}}),
    case_name);

TEST_F(Examine, extra_entries_are_no_damage) {
  write_file(staged("new"), "x");
  EXPECT_FALSE(look()->is_damaged());
  fs::remove(staged("a"));
  EXPECT_TRUE(look()->is_damaged());
}

TEST_F(Examine, what_cannot_be_read_is_told) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  fs::permissions(staged("a"), fs::perms::none);
  EXPECT_EQ(problems(), (Problems{{"a", Kind::unreadable}}));
}

TEST_F(Examine, a_day_that_is_a_link_is_not_followed) {
  fs::rename(peer_day(), staging_dir + "/elsewhere");
  fs::create_directory_symlink(staging_dir + "/elsewhere", peer_day());
  const auto found = look();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->problems.size(), 1U);
  EXPECT_EQ(found->problems.front().kind, Kind::unreadable);
  EXPECT_EQ(bytes_read, 0U);
}

TEST_F(Examine, a_day_that_is_gone_is_no_problem) {
  fs::remove_all(peer_day());
  EXPECT_FALSE(look());
}

TEST_F(Examine, many_files_are_all_read_whatever_the_number_of_threads) {
  for (int i = 0; i < 300; ++i) peer.add_file("/collect/f" + std::to_string(i), std::string(1000, 'x'));
  stage();
  for (const std::size_t threads : {1U, 2U, 7U}) {
    const auto found = look(threads);
    EXPECT_EQ(found->problems, std::vector<DayProblem>{});
    EXPECT_EQ(found->files, 303U);
  }
}

TEST_F(Examine, a_day_that_is_replaced_meanwhile_is_never_damaged) {
  for (int i = 0; i < 200; ++i) peer.add_file("/collect/f" + std::to_string(i), std::string(100, 'x'));
  stage();
  std::binary_semaphore look_begins{0};
  constexpr int replacements = 40;
  std::atomic<int> left = replacements;
  std::thread stager([&] {
    for (; left > 0; --left) {
      look_begins.acquire();
      peer.add_file("/collect/a", "alpha" + std::to_string(left));
      stage();
    }
  });
  for (int looks = 0; looks < replacements; ++looks) {
    look_begins.release();
    const auto found = look();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->problems, std::vector<DayProblem>{});
    while (left >= replacements - looks) std::this_thread::yield();
  }
  stager.join();
}

TEST_F(Examine, days_are_found_by_date_and_name) {
  for (const char* directory : {"2026/11/21/web2", "2026/11/20/web2", "2025/01/01/web1", "2026/13/01/web1",
                                "2026/1/01/web1", "2026/11/20/cback.peerstage.web1", "2026/11/20/.hidden"})
    fs::create_directories(staging_dir + "/" + directory);
  write_file(staging_dir + "/2026/11/20/cback.stage", "");
  write_file(staging_dir + "/2026/11/22", "a file");
  const Directory root = Directory::open(staging_dir);
  const Date tomorrow{today.year(), today.month(), std::chrono::day(21)};
  const Date long_ago{std::chrono::year(2025), std::chrono::month(1), std::chrono::day(1)};
  using Days = std::vector<StagedDay>;
  EXPECT_EQ(staged_days(root, std::nullopt, {}).days,
            (Days{{long_ago, "web1"}, {today, "web1"}, {today, "web2"}, {tomorrow, "web2"}}));
  EXPECT_EQ(staged_days(root, today, {}).days, (Days{{today, "web1"}, {today, "web2"}}));
  EXPECT_EQ(staged_days(root, std::nullopt, {"web1"}).days, (Days{{long_ago, "web1"}, {today, "web1"}}));
  EXPECT_EQ(staged_days(root, long_ago, {"web2"}).days, Days{});
  EXPECT_THAT(staged_days(root, std::nullopt, {}).problems, testing::IsEmpty());
}

TEST_F(Examine, a_directory_that_cannot_be_looked_into_hides_no_other_day) {
  fs::create_directories(staging_dir + "/2026/11/22");
  fs::create_directory_symlink("2026", staging_dir + "/2025");
  fs::create_directory_symlink("20", staging_dir + "/2026/11/21");
  const Directory root = Directory::open(staging_dir);
  const StagedDays found = staged_days(root, std::nullopt, {});
  EXPECT_EQ(found.days, (std::vector<StagedDay>{{today, "web1"}}));
  EXPECT_THAT(found.problems,
              testing::UnorderedElementsAre(testing::HasSubstr("/2025"), testing::HasSubstr("/2026/11/21")));
  const Date tomorrow{today.year(), today.month(), std::chrono::day(21)};
  EXPECT_THAT(staged_days(root, tomorrow, {}).problems, testing::SizeIs(1));
}

}  // namespace
}  // namespace peerstage::peers::staging
