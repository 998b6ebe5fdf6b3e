#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peers/local_peer.h"
#include "peers/observer.h"
#include "peers/remote_peer.h"
#include "peers/staging/staging_area.h"
#include "tests/support/sshd.h"
#include "tests/support/temporary_directory.h"

/// One contract for every way to a peer: the same collect directory, staged either way, gives the same tree,
/// counts, left-out entries and failures.
namespace peerstage::peers {
namespace {

using test::TemporaryDirectory;

enum class Way { local, remote, remote_over_three_connections };

class Silence final : public Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel, const std::string&) override {}
};

/// One server for all tests of this file: starting one takes longer than a test.
test::Sshd& server() {
  static test::Sshd sshd;
  return sshd;
}

config::SshSettings settings_for_server() {
  config::SshSettings settings;
  settings.host = server().address();
  settings.user = server().user();
  settings.port = config::Port{server().port()};
  settings.identity_files = {server().client_key()};
  settings.known_hosts = {server().known_hosts()};
  settings.config_file = "none";
  return settings;
}

class PeerContract : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (GetParam() != Way::local && !test::Sshd::available())
      GTEST_SKIP() << "there is no sshd on this machine";
    ::umask(022);
    std::filesystem::create_directory(collect_dir());
  }

  std::string collect_dir() const { return directory_ / "collect"; }
  std::string in_collect_dir(const std::string& name) const { return collect_dir() + "/" + name; }
  void collect(const std::string& name, const std::string& content, mode_t mode = 0640) const {
    directory_.write("collect/" + name, content);
    ::chmod(in_collect_dir(name).c_str(), mode);
  }

  std::unique_ptr<Peer> peer() const {
    ConnectedPeer::Description description{"web1", collect_dir(), cback_command_, options_};
    if (GetParam() == Way::local) return std::make_unique<LocalPeer>(std::move(description));
    const unsigned connections = GetParam() == Way::remote ? 1 : 3;
    return std::make_unique<RemotePeer>(description, settings_for_server(),
                                        ssh::LocalUser{"tester", "/nonexistent"}, connections);
  }

  Outcome<StagedTree> stage() const {
    auto area = staging::StagingArea::open(directory_ / "staging", std::nullopt, staging::RunMode::real);
    if (!area.try_lock()) throw std::runtime_error("the staging directory is locked");
    area.open_day(std::chrono::year(2026) / 11 / 20);
    auto place = area.place("web1");
    Silence silence;
    return peer()->stage(place, silence);
  }
  StagedTree staged() const {
    const auto outcome = stage();
    if (const auto* failure = std::get_if<Failure>(&outcome)) throw std::runtime_error(failure->message);
    return std::get<StagedTree>(outcome);
  }
  Failure failed() const {
    const auto outcome = stage();
    if (std::holds_alternative<StagedTree>(outcome)) throw std::runtime_error("staging succeeded");
    return std::get<Failure>(outcome);
  }

  std::filesystem::path day() const { return directory_.path() / "staging/2026/11/20/web1"; }

  /// "MODE CONTENT" of every file below the day, "MODE/" of every directory, our manifest left out.
  std::map<std::string, std::string> tree() const {
    std::map<std::string, std::string> result;
    if (!std::filesystem::exists(day())) return result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(day())) {
      struct stat status {};
      ::lstat(entry.path().c_str(), &status);
      std::array<char, 8> mode{};
      std::snprintf(mode.data(), mode.size(), "%03o", status.st_mode & 07777U);
      const std::string name = entry.path().lexically_relative(day()).string();
      if (name == manifest_name) continue;
      result[name] =
          std::string(mode.data()) + (S_ISDIR(status.st_mode) ? "/" : " " + test::read_text(entry.path()));
    }
    return result;
  }

  TemporaryDirectory directory_;
  staging::StageOptions options_ = [] {
    staging::StageOptions options;
    options.minimum_free = config::ByteCount{0};
    return options;
  }();
  std::optional<std::string> cback_command_;
};

using Tree = std::map<std::string, std::string>;

TEST_P(PeerContract, APeerWithoutItsIndicatorIsNotReady) {
  const auto outcome = peer()->check_collect_indicator();
  EXPECT_EQ(std::get<Failure>(outcome).kind, FailureKind::not_ready);
}

TEST_P(PeerContract, APeerWithoutItsDirectoryIsNotReady) {
  std::filesystem::remove_all(collect_dir());
  EXPECT_EQ(std::get<Failure>(peer()->check_collect_indicator()).kind, FailureKind::not_ready);
}

TEST_P(PeerContract, OnlyARegularFileIsAnIndicator) {
  collect("data", "x");
  std::filesystem::create_symlink("data", in_collect_dir("cback.collect"));
  EXPECT_EQ(std::get<Failure>(peer()->check_collect_indicator()).kind, FailureKind::not_ready);
  std::filesystem::create_directory(in_collect_dir("other"));
  EXPECT_EQ(std::get<Failure>(peer()->check_collect_indicator("other")).kind, FailureKind::not_ready);
}

TEST_P(PeerContract, AnIndicatorMayHaveAnotherName) {
  collect("ready", "");
  EXPECT_TRUE(std::holds_alternative<Done>(peer()->check_collect_indicator("ready")));
  EXPECT_TRUE(std::holds_alternative<Done>(peer()->write_stage_indicator("taken")));
  EXPECT_TRUE(std::filesystem::is_empty(in_collect_dir("taken")));
}

TEST_P(PeerContract, TheStageIndicatorIsWrittenAndWrittenAgain) {
  EXPECT_TRUE(std::holds_alternative<Done>(peer()->write_stage_indicator()));
  collect("cback.stage", "left over");
  EXPECT_TRUE(std::holds_alternative<Done>(peer()->write_stage_indicator()));
  EXPECT_EQ(std::filesystem::file_size(in_collect_dir("cback.stage")), 0U);
}

TEST_P(PeerContract, AStageIndicatorThatCannotBeWrittenIsAFailure) {
  std::filesystem::remove_all(collect_dir());
  EXPECT_EQ(std::get<Failure>(peer()->write_stage_indicator()).kind, FailureKind::permanent);
}

TEST_P(PeerContract, FilesOfEveryNameAreStaged) {
  const std::string longest(255, 'n');
  collect("cback.collect", "", 0644);
  collect(".hidden", "h");
  collect("two words", "w");
  collect("not utf-8 \xff\xfe", "b");
  collect("*?[$`'\"\\", "shell");
  collect("-rf", "dash");
  collect(longest, "long");
  collect("empty", "");
  const StagedTree result = staged();
  EXPECT_EQ(tree(), (Tree{{"cback.collect", "644 "},
                          {".hidden", "640 h"},
                          {"two words", "640 w"},
                          {"not utf-8 \xff\xfe", "640 b"},
                          {"*?[$`'\"\\", "640 shell"},
                          {"-rf", "640 dash"},
                          {longest, "640 long"},
                          {"empty", "640 "}}));
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.files, 8U);
  EXPECT_EQ(result.bytes, 16U);
}

TEST_P(PeerContract, LargeFilesArriveAsTheyAre) {
  std::string large(5'000'003, '\0');
  unsigned state = 7;
  for (char& byte : large) byte = static_cast<char>((state = state * 1664525U + 1013904223U) >> 24U);
  collect("large", large, 0600);
  EXPECT_EQ(staged().bytes, large.size());
  EXPECT_EQ(tree().at("large"), "600 " + large);
}

TEST_P(PeerContract, DirectoriesAreStagedWithWhatIsInThem) {
  collect("a/b/c", "deep", 0604);
  std::filesystem::create_directories(in_collect_dir("a/empty"));
  ::chmod(in_collect_dir("a").c_str(), 0750);
  ::chmod(in_collect_dir("a/b").c_str(), 0755);
  ::chmod(in_collect_dir("a/empty").c_str(), 0700);
  EXPECT_EQ(staged().files, 1U);
  EXPECT_EQ(tree(), (Tree{{"a", "750/"}, {"a/b", "755/"}, {"a/b/c", "604 deep"}, {"a/empty", "700/"}}));
}

TEST_P(PeerContract, DirectoriesCanBeLeftOutOrRefused) {
  collect("file", "x");
  collect("a/b", "y");
  options_.subdirectories = config::Subdirectories::fail;
  EXPECT_EQ(failed().kind, FailureKind::permanent);
  options_.subdirectories = config::Subdirectories::skip;
  EXPECT_EQ(staged().skipped, (std::vector<SkippedEntry>{{"a", "directory"}}));
  EXPECT_EQ(tree(), (Tree{{"file", "640 x"}}));
}

TEST_P(PeerContract, SpecialFilesAreLeftOutWithTheirReason) {
  collect("file", "x");
  std::filesystem::create_symlink("file", in_collect_dir("link"));
  std::filesystem::create_symlink("/nonexistent", in_collect_dir("dangling"));
  ::mkfifo(in_collect_dir("pipe").c_str(), 0600);
  StagedTree result = staged();
  std::ranges::sort(result.skipped, {}, &SkippedEntry::name);
  EXPECT_EQ(result.skipped,
            (std::vector<SkippedEntry>{{"dangling", "symlink"}, {"link", "symlink"}, {"pipe", "fifo"}}));
  EXPECT_EQ(tree(), (Tree{{"file", "640 x"}}));
  EXPECT_EQ(result.files, 1U);
}

TEST_P(PeerContract, SpecialFilesCanBeRefused) {
  collect("file", "x");
  ::mkfifo(in_collect_dir("pipe").c_str(), 0600);
  options_.special_files = config::SpecialFiles::fail;
  const Failure failure = failed();
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_NE(failure.message.find("pipe"), std::string::npos) << failure.message;
  EXPECT_EQ(tree(), Tree{});
}

TEST_P(PeerContract, AnUnreadableFileFailsThePeerAndNamesTheFile) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything: run this as an ordinary user, too";
  collect("file", "x");
  collect("locked", "y", 0000);
  const Failure failure = failed();
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_NE(failure.message.find("locked"), std::string::npos) << failure.message;
  EXPECT_EQ(tree(), Tree{});
}

TEST_P(PeerContract, AnEmptyDirectoryIsStagedAsOne) {
  const StagedTree result = staged();
  EXPECT_EQ(result.files, 0U);
  EXPECT_TRUE(std::filesystem::is_directory(day()));
  EXPECT_EQ(tree(), Tree{});
}

TEST_P(PeerContract, AMissingDirectoryIsAFailureThatNamesIt) {
  std::filesystem::remove_all(collect_dir());
  const Failure failure = failed();
  EXPECT_EQ(failure.kind, FailureKind::permanent);
  EXPECT_NE(failure.message.find(collect_dir()), std::string::npos) << failure.message;
}

TEST_P(PeerContract, AControlCharacterInANameIsHostile) {
  collect("evil\nname", "x");
  const Failure failure = failed();
  EXPECT_EQ(failure.kind, FailureKind::hostile);
  EXPECT_NE(failure.message.find("evil\\x0aname"), std::string::npos) << failure.message;
}

TEST_P(PeerContract, ASecondTimeNothingIsToBeDone) {
  collect("file", "x");
  collect("sub/other", "yy");
  staged();
  const auto before = tree();
  const StagedTree again = staged();
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.files, 2U);
  EXPECT_EQ(again.bytes, 3U);
  EXPECT_EQ(again.reused_files, 2U);
  EXPECT_EQ(tree(), before);
}

TEST_P(PeerContract, WhatIsNewOrChangedIsStagedAndWhatIsGoneStays) {
  collect("same", "1");
  collect("changed", "2");
  collect("gone", "3");
  staged();
  collect("changed", "22");
  collect("new", "4");
  std::filesystem::remove(in_collect_dir("gone"));
  const StagedTree result = staged();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.files, 4U);  // all that stand there and came from the peer, whenever
  EXPECT_EQ(result.reused_files, 2U);
  EXPECT_EQ(tree(), (Tree{{"same", "640 1"}, {"changed", "640 22"}, {"gone", "640 3"}, {"new", "640 4"}}));
}

TEST_P(PeerContract, ThePeersOwnIndicatorIsNotStaged) {
  collect("file", "x");
  collect("cback.stage", "");
  EXPECT_EQ(staged().files, 1U);
  EXPECT_EQ(tree(), (Tree{{"file", "640 x"}}));
}

TEST_P(PeerContract, ATargetThatIsALinkIsRefusedAndLeftAlone) {
  collect("file", "x");
  std::filesystem::create_directories(day().parent_path());
  std::filesystem::create_directory(directory_ / "elsewhere");
  std::filesystem::create_symlink(directory_ / "elsewhere", day());
  EXPECT_EQ(failed().kind, FailureKind::permanent);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "elsewhere"));
}

TEST_P(PeerContract, ATargetThatIsAFileIsRefusedAndLeftAlone) {
  collect("file", "x");
  directory_.write("staging/2026/11/20/web1", "precious");
  EXPECT_EQ(failed().kind, FailureKind::permanent);
  EXPECT_EQ(test::read_text(day()), "precious");
}

TEST_P(PeerContract, SumsOfThePeersManifestHaveToMatch) {
  collect("file", "hello\n");
  collect("cback.sha256", "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  file\n");
  EXPECT_EQ(staged().files, 1U);
  collect("cback.sha256", std::string(64, '0') + "  file\n");
  EXPECT_EQ(failed().kind, FailureKind::permanent);
  EXPECT_EQ(tree(), (Tree{{"file", "640 hello\n"}}));
}

TEST_P(PeerContract, SumsCanBeAskedOfThePeer) {
  collect("a file", "hello\n");
  options_.verify = config::Verify::checksum;
  EXPECT_EQ(staged().files, 1U);
}

TEST_P(PeerContract, ACommandRunsOnThePeer) {
  Command command;
  command.argv = {"printf", "%s,", "a b", "$x", "'"};
  const auto outcome = peer()->run(command);
  ASSERT_TRUE(std::holds_alternative<CommandResult>(outcome)) << std::get<Failure>(outcome).message;
  EXPECT_EQ(std::get<CommandResult>(outcome).output, "a b,$x,',");
}

TEST_P(PeerContract, AManagedActionIsTheCommandAndTheActionAsTheyAre) {
  cback_command_ = "printf '%s.' x\"y  z\"";
  const auto normal = peer()->run_managed_action("collect", ManagedMode::normal, {});
  EXPECT_EQ(std::get<CommandResult>(normal).output, "xy  z.collect.");
  const auto full = peer()->run_managed_action("purge", ManagedMode::full, {});
  EXPECT_EQ(std::get<CommandResult>(full).output, "xy  z.--full.purge.");
}

TEST_P(PeerContract, AManagedActionThatFailsIsAResult) {
  cback_command_ = "exit 7;";
  const auto outcome = peer()->run_managed_action("collect", ManagedMode::normal, {});
  EXPECT_EQ(std::get<CommandResult>(outcome).exit_status, 7);
}

TEST_P(PeerContract, WithoutACommandThereAreNoManagedActions) {
  const auto outcome = peer()->run_managed_action("collect", ManagedMode::normal, {});
  EXPECT_EQ(std::get<Failure>(outcome).kind, FailureKind::permanent);
}

const char* name_of(Way way) {
  switch (way) {
    case Way::local:
      return "Local";
    case Way::remote:
      return "Remote";
    case Way::remote_over_three_connections:
      return "RemoteOverThreeConnections";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(EveryWay, PeerContract,
                         testing::Values(Way::local, Way::remote, Way::remote_over_three_connections),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace peerstage::peers
