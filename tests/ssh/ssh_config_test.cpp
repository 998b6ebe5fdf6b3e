#include "peers/ssh/ssh_config.h"

#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "peers/failure.h"
#include "tests/support/other_user.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::ssh {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SshConfig read_file(const test::TemporaryDirectory& home, const std::string& file,
                    const std::string& remote_user = "") {
  return read_ssh_config({{file, ConfigFile::Kind::user}}, {"web1", remote_user, {"backup", home.path()}});
}

/// Reads a text as the configuration of the user "backup" for the host "web1".
SshConfig read_text(const test::TemporaryDirectory& home, const std::string& text,
                    const std::string& remote_user = "") {
  return read_file(home, home.write(".ssh/config", text), remote_user);
}

std::string error_of(const std::function<void()>& reading) {
  try {
    reading();
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::permanent);
    return error.what();
  }
  return "no error";
}

std::string error_of(const test::TemporaryDirectory& home, const std::string& text) {
  return error_of([&] { read_text(home, text); });
}

struct Case {
  const char* name;
  std::string text;
  std::vector<std::string> words;  ///< of HostName; empty: no such line counts
};

class HostNameOf : public testing::TestWithParam<Case> {};

TEST_P(HostNameOf, Web1) {
  const test::TemporaryDirectory home;
  const SshConfig config = read_text(home, GetParam().text);
  const ConfigLine* line = config.find("hostname");
  EXPECT_EQ(line != nullptr ? line->words : std::vector<std::string>(), GetParam().words);
}

const std::vector<std::string> yes{"yes"};
const std::vector<std::string> nothing;

INSTANTIATE_TEST_SUITE_P(
    Table, HostNameOf,
    testing::Values(Case{"NoFileContent", "", nothing}, Case{"BeforeAnyHost", "HostName yes\n", yes},
                    Case{"Host", "Host web1\nHostName yes\n", yes},
                    Case{"OtherHost", "Host db1\nHostName no\n", nothing},
                    Case{"SeveralPatterns", "Host db1 web?\nHostName yes\n", yes},
                    Case{"Negated", "Host web* !web1\nHostName no\n", nothing},
                    Case{"NegatedAlone", "Host !db1\nHostName no\n", nothing},
                    Case{"StarLast", "Host db1\nHostName no\nHost *\nHostName yes\n", yes},
                    Case{"FirstWins", "Host web1\nHostName yes\nHost *\nHostName no\n", yes},
                    Case{"KeywordCase", "HOST web1\n  hOSTnAME yes\n", yes},
                    Case{"Equals", "Host=web1\nHostName=yes\n", yes},
                    Case{"EqualsWithBlanks", "Host = web1\nHostName \t= \tyes\n", yes},
                    Case{"DoubleQuotes", "Host \"web1\"\nHostName \"yes\"\n", yes},
                    Case{"QuotedBlank", "HostName \"a b\"\n", {"a b"}},
                    Case{"SingleQuotes", "HostName 'a \"b'\n", {"a \"b"}},
                    Case{"Backslash", "HostName a\\ b\\\"c\n", {"a b\"c"}},
                    Case{"Comments", "# HostName no\n  #x\nHostName yes # really\n", yes},
                    Case{"CarriageReturn", "Host web1\r\nHostName yes\r\n", yes},
                    Case{"NoLastNewline", "HostName yes", yes},
                    Case{"MatchAll", "Host db1\nMatch all\nHostName yes\n", yes},
                    Case{"MatchHost", "Match host web*,db*\nHostName yes\n", yes},
                    Case{"HostCaseCounts", "Host WEB1\nHostName no\n", nothing},
                    Case{"MatchHostCaseDoesNot", "Match host WEB1\nHostName yes\n", yes},
                    Case{"MatchOtherHost", "Match host db*\nHostName no\n", nothing},
                    Case{"MatchNotHost", "Match !host db1\nHostName yes\n", yes},
                    Case{"MatchOriginalHost", "Match originalhost web1\nHostName yes\n", yes},
                    Case{"MatchLocalUser", "Match localuser backup\nHostName yes\n", yes},
                    Case{"MatchUserDefault", "Match user backup\nHostName yes\n", yes},
                    Case{"MatchUserOfConfig", "User joe\nMatch user joe host web1\nHostName yes\n", yes},
                    Case{"MatchBothNeeded", "Match host web1 user joe\nHostName no\n", nothing},
                    Case{"MatchExecIsLeftOut", "Match exec true\nHostName no\nHost *\nHostName yes\n", yes},
                    Case{"MatchHostAndExec", "Match host web1 exec true\nHostName no\n", nothing},
                    Case{"UnknownKeywords", "Frobnicate 1\nPreferredAuthentications none\nHostName yes\n",
                         yes}),
    [](const auto& test) { return test.param.name; });

TEST(SshConfigReader, MatchHostSeesTheMappedName) {
  const test::TemporaryDirectory home;
  const SshConfig config = read_text(home, "HostName real\nMatch host real\nPort 2222\n");
  ASSERT_NE(config.find("port"), nullptr);
  EXPECT_THAT(config.find("port")->words, ElementsAre("2222"));
}

TEST(SshConfigReader, MatchExecIsNotRunAndNoted) {
  const test::TemporaryDirectory home;
  const SshConfig config = read_text(home, "Match exec \"touch " + (home / "ran") + "\"\nPort 1\n");
  EXPECT_FALSE(std::filesystem::exists(home / "ran"));
  EXPECT_THAT(config.notes, ElementsAre(HasSubstr("config:1: ")));
}

TEST(SshConfigReader, IdentityFilesAddUp) {
  const test::TemporaryDirectory home;
  const SshConfig config = read_text(home, "Host web1\nIdentityFile a\nHost *\nIdentityFile b\n");
  ASSERT_EQ(config.identity_files.size(), 2U);
  EXPECT_THAT(config.identity_files[0].words, ElementsAre("a"));
  EXPECT_EQ(config.identity_files[1].line, 4);
}

TEST(SshConfigReader, AMissingFileSaysNothing) {
  const SshConfig config = read_ssh_config({{"/nonexistent/config", ConfigFile::Kind::user}},
                                           {"web1", "", {"backup", "/nonexistent"}});
  EXPECT_THAT(config.first, IsEmpty());
}

TEST(SshConfigReader, IncludesByPatternRelativeToTheUsersDirectory) {
  const test::TemporaryDirectory home;
  home.write(".ssh/conf.d/1", "Port 1\n");
  home.write(".ssh/conf.d/2", "Port 2\nUser joe\n");
  const SshConfig config = read_text(home, "Include conf.d/* missing\nPort 3\nUser jim\n");
  EXPECT_THAT(config.find("port")->words, ElementsAre("1"));
  EXPECT_THAT(config.find("user")->words, ElementsAre("joe"));
}

TEST(SshConfigReader, IncludesFromTheUsersHome) {
  const test::TemporaryDirectory home;
  home.write("own/config", "Port 4\n");
  EXPECT_THAT(read_text(home, "Include ~/own/*\n").find("port")->words, ElementsAre("4"));
}

TEST(SshConfigReader, TellsWhichDirectoriesItSearched) {
  const test::TemporaryDirectory home;
  home.write(".ssh/one/x.conf", "Port 1\n");
  home.write(".ssh/two/x.conf", "Port 2\n");
  const SshConfig config = read_text(home, "Include */x.conf missing/* one/x.conf\nInclude two/[x]*\n");
  EXPECT_THAT(config.directories, ElementsAre(home / ".ssh/", home / ".ssh/two/"));
}

TEST(SshConfigReader, ADirectoryThatCannotBeSearchedIsAnErrorAndNotWithoutFiles) {
  const test::TemporaryDirectory home;
  home.write(".ssh/closed/x.conf", "Port 1\n");
  std::filesystem::permissions(home.path(), std::filesystem::perms(0755));
  for (const char* include : {"Include closed/*.conf\n", "Include cl*/*.conf\n"}) {
    const std::string file = home.write(".ssh/config", include);
    std::filesystem::permissions(home / ".ssh/closed", std::filesystem::perms::none);
    const test::WithoutRights without;
    EXPECT_THAT(error_of([&] { read_file(home, file); }),
                HasSubstr("config:1: cannot search " + home / ".ssh/closed/" + ": Permission denied"));
  }
}

TEST(SshConfigReader, AMatchWithoutAValueIsAnErrorWithItsPlace) {
  const test::TemporaryDirectory home;
  EXPECT_THAT(error_of(home, "Port 1\nMatch host\n"), HasSubstr("config:2: Match host has no value"));
}

TEST(SshConfigReader, AnIncludedHostEndsWithItsFileAndAnInactiveIncludeIsNotRead) {
  const test::TemporaryDirectory home;
  home.write(".ssh/other", "Host db1\nPort 1\n");
  home.write(".ssh/never", "Host *\nPort 2\n");
  const SshConfig config =
      read_text(home, "Host web1\nInclude other\nUser joe\nHost db1\nInclude ~/.ssh/never\n");
  EXPECT_EQ(config.find("port"), nullptr);
  EXPECT_THAT(config.find("user")->words, ElementsAre("joe"));
}

TEST(SshConfigReader, AFileThatIncludesItselfIsAnError) {
  const test::TemporaryDirectory home;
  EXPECT_THAT(error_of(home, "\nInclude config\n"), HasSubstr("config:2: too many files include each other"));
}

TEST(SshConfigReader, AnOpenQuoteIsAnErrorWithItsPlace) {
  const test::TemporaryDirectory home;
  EXPECT_THAT(error_of(home, "Port 1\nHostName \"web1\n"), HasSubstr("config:2: a quote is not closed"));
}

TEST(SshConfigReader, AFileThatOthersCanWriteIsRefused) {
  const test::TemporaryDirectory home;
  const std::string file = home.write(".ssh/config", "Port 1\n");
  ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
  EXPECT_THAT(error_of(home, "Port 1\n"), HasSubstr("others can write it"));
}

}  // namespace
}  // namespace peerstage::peers::ssh
