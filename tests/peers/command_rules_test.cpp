#include "peers/command_rules.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "peers/failure.h"

namespace peerstage::peers {
namespace {

using Words = std::vector<std::string>;
using testing::HasSubstr;

Command as_user(const std::string& user, const std::string& group = "") {
  Command command;
  command.argv = {"df", "-h"};
  command.user = user;
  command.group = group;
  return command;
}

TEST(WrappedWords, NothingIsWrappedThatNeedsNone) {
  EXPECT_EQ(wrapped_words(as_user("alice"), BecomeWay::not_needed), (Words{"df", "-h"}));
}

TEST(WrappedWords, SudoSeesTheCommandItself) {
  EXPECT_EQ(wrapped_words(as_user("alice"), BecomeWay::with_sudo),
            (Words{"sudo", "-n", "-u", "alice", "--", "df", "-h"}));
  EXPECT_EQ(wrapped_words(as_user("alice", "staff"), BecomeWay::with_sudo),
            (Words{"sudo", "-n", "-u", "alice", "-g", "staff", "--", "df", "-h"}));
  EXPECT_EQ(wrapped_words(as_user("", "staff"), BecomeWay::with_sudo),
            (Words{"sudo", "-n", "-g", "staff", "--", "df", "-h"}));
}

TEST(WrappedWords, WhatIsSetIsSetByTheUserHimself) {
  Command command = as_user("alice");
  command.umask = 027;
  command.directory = "/it's";
  command.environment = {{"A", "b c"}};
  EXPECT_EQ(wrapped_words(command, BecomeWay::with_sudo),
            (Words{"sudo", "-n", "-u", "alice", "--", "sh", "-c",
                   "umask 0027 || exit 126; cd '/it'\\''s' || exit 126; export A='b c'; exec 'df' '-h'"}));
}

TEST(WrappedWords, RootNeedsNoSudo) {
  EXPECT_EQ(wrapped_words(as_user("alice"), BecomeWay::as_root),
            (Words{"runuser", "-u", "alice", "--", "sh", "-c",
                   "export HOME=~alice USER=alice LOGNAME=alice; exec 'df' '-h'"}));
}

CommandResult ended(int status, const std::string& output, const std::string& error) {
  CommandResult result;
  result.exit_status = status;
  result.output = output;
  result.output_bytes = output.size();
  result.error_output = error;
  return result;
}

TEST(Sudo, ARefusalIsAClearSentence) {
  try {
    judge_sudo(as_user("alice"), ended(1, "", "sudo: a password is required\n"), "web1");
    FAIL() << "it passed for the command's own failure";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), FailureKind::permanent);
    EXPECT_THAT(error.what(),
                HasSubstr("sudo did not run df on web1 as alice: sudo: a password is required;"));
    EXPECT_THAT(error.what(), HasSubstr("NOPASSWD"));
  }
}

TEST(Sudo, WhatTheCommandItselfSaysIsAResult) {
  EXPECT_NO_THROW(judge_sudo(as_user("alice"), ended(1, "", "df: no such file\n"), "web1"));
  EXPECT_NO_THROW(judge_sudo(as_user("alice"), ended(2, "", "sudo: x\n"), "web1"));
  EXPECT_NO_THROW(judge_sudo(as_user("alice"), ended(1, "something\n", "sudo: x\n"), "web1"));
}

}  // namespace
}  // namespace peerstage::peers
