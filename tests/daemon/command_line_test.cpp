#include "daemon/command_line.h"

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

using Words = std::vector<std::string>;
using testing::HasSubstr;

/// What a command line for actions comes to, as text, so that a table can hold it: only what differs from the
/// default.
std::string described(const RunCommand& run) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : " ") + part; };
  for (const auto& action : run.actions) add(action);
  if (run.config_path) add("config=" + *run.config_path);
  if (run.log.path) add("log=" + *run.log.path);
  if (run.log.owner != LogOwner()) add("owner=" + run.log.owner.user + "|" + run.log.owner.group);
  if (run.log.mode != LogFile().mode) add("mode=" + std::to_string(run.log.mode.bits));
  if (run.log.threshold == peers::EventLevel::debug) add("debug");
  if (run.verbosity == Verbosity::verbose) add("verbose");
  if (run.verbosity == Verbosity::quiet) add("quiet");
  if (run.managed == Managed::also) add("managed");
  if (run.managed == Managed::only) add("managed_only");
  if (run.progress == ProgressChoice::always) add("progress_always");
  if (run.progress == ProgressChoice::never) add("progress_never");
  for (const auto& peer : run.peers) add("peer=" + peer);
  if (run.full) add("full");
  if (run.log_command_output) add("output");
  if (run.stack) add("stack");
  if (run.json) add("json");
  if (run.dry_run) add("dry_run");
  return text;
}

struct Accepted {
  const char* name;
  Words arguments;
  std::string result;
};

class AcceptedCommandLine : public testing::TestWithParam<Accepted> {};

TEST_P(AcceptedCommandLine, means) {
  const CommandLine line = parse_command_line(GetParam().arguments);
  if (const auto* exit = std::get_if<EarlyExit>(&line)) FAIL() << exit->text;
  ASSERT_TRUE(std::holds_alternative<RunCommand>(line));
  EXPECT_EQ(described(std::get<RunCommand>(line)), GetParam().result);
}

const std::vector<Accepted> accepted{
    {"one_action", {"stage"}, "stage"},
    {"several_actions_in_order", {"stage", "purge", "stage"}, "stage purge stage"},
    {"unknown_actions_are_judged_later", {"frobnicate", "all"}, "frobnicate all"},
    {"short_switches", {"-b", "-f", "-s", "-O", "stage"}, "stage verbose full output stack"},
    {"long_switches",
     {"--verbose", "--full", "--stack", "--output", "stage"},
     "stage verbose full output stack"},
    {"debug_implies_output", {"-d", "stage"}, "stage debug output"},
    {"quiet_beats_verbose", {"-q", "-b", "stage"}, "stage quiet"},
    {"bundled", {"-qb", "stage"}, "stage quiet"},
    {"bundled_with_attached_value", {"-bc/x", "stage"}, "stage config=/x verbose"},
    {"bundled_with_next_value", {"-bc", "/x", "stage"}, "stage config=/x verbose"},
    {"attached_value", {"-c/x", "stage"}, "stage config=/x"},
    {"next_value", {"-c", "/x", "stage"}, "stage config=/x"},
    {"long_attached_value", {"--config=/x", "stage"}, "stage config=/x"},
    {"long_attached_value_with_equals_sign", {"--config=/x=y", "stage"}, "stage config=/x=y"},
    {"long_next_value", {"--config", "/x", "stage"}, "stage config=/x"},
    {"value_with_a_blank", {"-c", "/a b", "stage"}, "stage config=/a b"},
    {"abbreviated", {"--conf", "/x", "stage"}, "stage config=/x"},
    {"abbreviated_with_attached_value", {"--conf=/x", "stage"}, "stage config=/x"},
    {"whole_name_that_begins_another", {"--managed", "stage"}, "stage managed"},
    {"switches_after_the_action", {"stage", "-b", "--json"}, "stage verbose json"},
    {"words_after_two_dashes", {"-b", "--", "stage", "-q"}, "stage -q verbose"},
    {"two_dashes_after_the_action", {"stage", "--", "--json"}, "stage --json"},
    {"two_dashes_as_a_value", {"stage", "-c", "--"}, "stage config=--"},
    {"single_dash_is_a_word", {"-"}, "-"},
    {"long_form_wins_before_short", {"--config", "/long", "-c", "/short", "stage"}, "stage config=/long"},
    {"long_form_wins_after_short", {"-c", "/short", "--config", "/long", "stage"}, "stage config=/long"},
    {"abbreviated_long_form_wins_too", {"--conf=/long", "-c/short", "stage"}, "stage config=/long"},
    {"bundled_short_form_loses", {"--config=/long", "-bc/short", "stage"}, "stage config=/long verbose"},
    {"last_short_form_wins", {"-c", "/1", "-c", "/2", "stage"}, "stage config=/2"},
    {"last_long_form_wins", {"--config", "/1", "--config=/2", "stage"}, "stage config=/2"},
    {"wrong_value_that_is_overridden", {"-o", "x", "-o", "a:b", "stage"}, "stage owner=a|b"},
    {"repeated_flag", {"-b", "-b", "--verbose", "stage"}, "stage verbose"},
    {"log_file", {"-l", "/l", "stage"}, "stage log=/l"},
    {"owner", {"-o", "backup:adm", "stage"}, "stage owner=backup|adm"},
    {"owner_split_at_the_first_colon", {"-o", "a:b:c", "stage"}, "stage owner=a|b:c"},
    {"mode", {"-m", "600", "stage"}, "stage mode=384"},
    {"mode_with_leading_zero", {"-m", "0600", "stage"}, "stage mode=384"},
    {"mode_with_prefix", {"-m", "0o600", "stage"}, "stage mode=384"},
    {"mode_zero", {"-m", "0", "stage"}, "stage mode=0"},
    {"managed", {"-M", "stage"}, "stage managed"},
    {"managed_only", {"-N", "stage"}, "stage managed_only"},
    {"managed_only_long", {"--managed-only", "stage"}, "stage managed_only"},
    {"peers", {"--peer", "web1", "--peer=db1", "stage"}, "stage peer=web1 peer=db1"},
    {"dry_run", {"--dry-run", "stage"}, "stage dry_run"},
    {"dry_run_of_purge", {"--dry-run", "stage", "purge"}, "stage purge dry_run"},
    {"peers_of_a_managed_action", {"-N", "--peer", "web1", "purge"}, "purge managed_only peer=web1"},
    {"managed_stage_of_peers", {"-M", "--peer", "web1", "stage"}, "stage managed peer=web1"},
    {"progress_auto", {"--progress", "auto", "stage"}, "stage"},
    {"progress_always", {"--progress=always", "stage"}, "stage progress_always"},
    {"progress_never", {"--progress", "never", "stage"}, "stage progress_never"},
};

INSTANTIATE_TEST_SUITE_P(CommandLine, AcceptedCommandLine, testing::ValuesIn(accepted),
                         [](const auto& test) { return std::string(test.param.name); });

struct Refused {
  const char* name;
  Words arguments;
  const char* message;
};

class RefusedCommandLine : public testing::TestWithParam<Refused> {};

TEST_P(RefusedCommandLine, ends_with_usage_and_a_sentence_on_standard_error) {
  const CommandLine line = parse_command_line(GetParam().arguments);
  ASSERT_TRUE(std::holds_alternative<EarlyExit>(line));
  const auto& exit = std::get<EarlyExit>(line);
  EXPECT_EQ(exit.code, ExitCode::command_line);
  EXPECT_EQ(exit.stream, OutputStream::standard_error);
  EXPECT_THAT(exit.text, HasSubstr("Usage: peerstage"));
  EXPECT_THAT(exit.text, HasSubstr(GetParam().message));
}

const std::vector<Refused> refused{
    {"nothing", {}, "no action"},
    {"switches_only", {"-b"}, "no action"},
    {"unknown_long_switch", {"--frobnicate", "stage"}, "frobnicate"},
    {"unknown_short_switch", {"-x", "stage"}, "-x"},
    {"unknown_switch_in_a_bundle", {"-bx", "stage"}, "-bx"},
    {"switch_in_the_place_of_a_value", {"-c", "-q", "stage"}, "missing"},
    {"ambiguous_version_or_verbose", {"--ver", "stage"}, "ambiguous"},
    {"ambiguous_managed_or_managed_only", {"--man", "stage"}, "ambiguous"},
    {"value_missing", {"stage", "-c"}, "missing"},
    {"long_value_missing", {"stage", "--config"}, "missing"},
    {"value_for_a_flag", {"--full=yes", "stage"}, "--full"},
    {"empty_config", {"-c", "", "stage"}, "--config"},
    {"empty_config_attached", {"--config=", "stage"}, "--config"},
    {"empty_config_beside_a_good_long_one", {"-c", "", "--config", "/x", "stage"}, "--config"},
    {"empty_log", {"-l", "", "stage"}, "--logfile"},
    {"empty_peer", {"--peer", "", "stage"}, "--peer"},
    {"owner_without_colon", {"-o", "root", "stage"}, "USER:GROUP"},
    {"owner_without_user", {"-o", ":adm", "stage"}, "USER:GROUP"},
    {"owner_without_group", {"-o", "root:", "stage"}, "USER:GROUP"},
    {"mode_not_octal", {"-m", "648", "stage"}, "octal"},
    {"mode_empty", {"-m", "", "stage"}, "octal"},
    {"mode_prefix_only", {"-m", "0o", "stage"}, "octal"},
    {"mode_negative", {"--mode=-1", "stage"}, "octal"},
    {"mode_with_setuid", {"-m", "4755", "stage"}, "octal"},
    {"mode_out_of_range", {"-m", "7777777777777777", "stage"}, "octal"},
    {"managed_and_managed_only", {"-M", "-N", "stage"}, "exclude"},
    {"progress_unknown", {"--progress", "sometimes", "stage"}, "sometimes"},
    {"yes_with_an_action", {"--yes", "stage"}, "--yes"},
    {"check_after_an_action", {"stage", "check"}, "cannot be combined"},
    {"action_after_check", {"check", "stage"}, "alone"},
    {"check_twice", {"check", "check"}, "alone"},
    {"check_with_a_switch_of_actions", {"check", "--full"}, "--full has no meaning"},
    {"trust_without_peer", {"trust"}, "exactly one peer"},
    {"trust_with_two_peers", {"trust", "a", "b"}, "exactly one peer"},
    {"trust_with_json", {"trust", "a", "--json"}, "--json has no meaning"},
    {"control_characters_are_escaped", {"--\x1b[2J", "stage"}, "\\x1b"},
    {"wrong_value_beside_help", {"-h", "-o", "x"}, "USER:GROUP"},
    {"dry_run_of_collect", {"--dry-run", "collect"}, "no meaning for 'collect'"},
    {"dry_run_of_all", {"--dry-run", "all"}, "no meaning for 'all'"},
    {"dry_run_of_one_that_can_and_one_that_cannot", {"--dry-run", "stage", "validate"}, "'validate'"},
    {"dry_run_of_managed_actions", {"-M", "--dry-run", "stage"}, "no meaning for managed actions"},
    {"dry_run_of_an_extension", {"--dry-run", "my\x1bsql"}, "'my\\x1bsql'"},
    {"collect_of_a_peer", {"--peer", "web1", "collect"}, "--peer has no meaning for 'collect'"},
    {"managed_purge_here_and_of_a_peer", {"-M", "--peer", "web1", "purge"}, "no meaning for 'purge'"},
    {"validate_of_a_peer", {"--peer", "web1", "validate"}, "no meaning for 'validate'"},
    {"exec_without_a_command", {"exec"}, "'exec' needs --"},
    {"exec_with_a_command_but_without_dashes", {"exec", "uptime"}, "'exec' needs --"},
    {"exec_with_nothing_after_the_dashes", {"exec", "--"}, "'exec' needs --"},
    {"exec_with_a_word_before_the_dashes", {"exec", "web1", "--", "ls"}, "'exec' needs --"},
    {"exec_after_the_dashes", {"--", "exec", "ls"}, "'exec' needs --"},
    {"exec_of_an_empty_word", {"exec", "--", ""}, "is empty"},
    {"exec_with_a_timeout_without_unit", {"exec", "--timeout", "5", "--", "ls"}, "--timeout"},
    {"exec_with_an_empty_group", {"exec", "--group", "", "--", "ls"}, "--group"},
    {"exec_with_a_switch_of_actions", {"exec", "--full", "--", "ls"}, "--full has no meaning"},
    {"exec_after_an_action", {"stage", "exec"}, "cannot be combined"},
    {"schedule_of_a_word", {"schedule", "nightly"}, "--job NAME shows one job"},
    {"daemon_with_a_word", {"daemon", "start"}, "'daemon' stands alone"},
    {"history_of_a_word", {"history", "web1"}, "--peer NAME shows one peer"},
    {"files_without_a_date", {"files", "web1"}, "the name of a peer and a date"},
    {"files_of_what_is_no_date", {"files", "web1", "yesterday"}, "'yesterday' is no date like"},
    {"rebuild_of_a_word", {"rebuild", "web1"}, "'rebuild' stands alone"},
    {"verify_of_two_dates", {"verify", "2026-11-20", "2026-11-21"}, "one date at most"},
    {"verify_of_what_is_no_date", {"verify", "2026-11-31"}, "'2026-11-31' is no date like"},
    {"status_in_two_ways", {"status", "--watch", "--json"}, "exclude each other"},
    {"run_of_nothing", {"run"}, "either a job"},
    {"run_of_two_jobs", {"run", "nightly", "weekly"}, "one job at a time"},
    {"run_of_a_job_and_a_peer", {"run", "nightly", "--peer", "web1"}, "either a job"},
    {"run_of_a_job_in_full", {"run", "nightly", "--full"}, "--full is for peers"},
    {"cancel_of_two_runs", {"cancel", "one", "two"}, "one run at most"},
    {"pause_of_a_word", {"pause", "nightly"}, "'pause' stands alone"},
    {"resume_of_a_word", {"resume", "nightly"}, "'resume' stands alone"},
};

INSTANTIATE_TEST_SUITE_P(CommandLine, RefusedCommandLine, testing::ValuesIn(refused),
                         [](const auto& test) { return std::string(test.param.name); });

struct Exits {
  const char* name;
  Words arguments;
  OutputStream stream;
  const char* text;
};

class EarlyExitCommandLine : public testing::TestWithParam<Exits> {};

TEST_P(EarlyExitCommandLine, prints_and_succeeds) {
  const CommandLine line = parse_command_line(GetParam().arguments);
  ASSERT_TRUE(std::holds_alternative<EarlyExit>(line));
  const auto& exit = std::get<EarlyExit>(line);
  EXPECT_EQ(exit.code, ExitCode::ok);
  EXPECT_EQ(exit.stream, GetParam().stream);
  EXPECT_THAT(exit.text, HasSubstr(GetParam().text));
}

constexpr auto out = OutputStream::standard_output;
constexpr auto err = OutputStream::standard_error;

const std::vector<Exits> exits{
    {"help", {"-h"}, err, "Usage: peerstage [switches] ACTION"},
    {"help_long", {"--help"}, err, "Usage: peerstage [switches] ACTION"},
    {"help_after_an_action", {"stage", "--help"}, err, "Usage: peerstage [switches] ACTION"},
    {"help_beats_version_and_diagnostics", {"-D", "-V", "-h"}, err, "Usage: "},
    {"help_beats_wrong_combinations", {"-M", "-N", "-h"}, err, "Usage: "},
    {"version", {"-V"}, out, "peerstage 0."},
    {"version_beats_diagnostics", {"-D", "--version"}, out, "peerstage 0."},
    {"diagnostics", {"-D"}, out, "Platform: Linux"},
    {"diagnostics_long", {"--diagnostics", "stage"}, out, "Program: peerstage"},
    {"help_of_check", {"check", "--help"}, out, "Usage: peerstage check"},
    {"help_before_check", {"--help", "check"}, out, "Usage: peerstage check"},
    {"help_of_exec", {"exec", "--help"}, out, "Usage: peerstage exec"},
    {"help_of_trust_without_peer", {"trust", "-h"}, out, "Usage: peerstage trust"},
};

INSTANTIATE_TEST_SUITE_P(CommandLine, EarlyExitCommandLine, testing::ValuesIn(exits),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(CheckCommandLine, takes_a_configuration_and_json_on_either_side_of_the_word) {
  const CommandLine line = parse_command_line({"-c", "/x", "check", "--json"});
  ASSERT_TRUE(std::holds_alternative<CheckCommand>(line));
  EXPECT_EQ(std::get<CheckCommand>(line).config_path, "/x");
  EXPECT_TRUE(std::get<CheckCommand>(line).json);
}

TEST(CheckCommandLine, without_switches_means_the_default_configuration_as_text) {
  const CommandLine line = parse_command_line({"check"});
  ASSERT_TRUE(std::holds_alternative<CheckCommand>(line));
  EXPECT_EQ(std::get<CheckCommand>(line).config_path, std::nullopt);
  EXPECT_FALSE(std::get<CheckCommand>(line).json);
}

TEST(WrongCommandLine, of_a_command_of_our_own_shows_its_usage) {
  for (const Words& words :
       {Words{"status", "--wrong"}, Words{"status", "web1"}, Words{"status", "--count", "3"}}) {
    const CommandLine line = parse_command_line(words);
    ASSERT_TRUE(std::holds_alternative<EarlyExit>(line));
    EXPECT_EQ(std::get<EarlyExit>(line).code, ExitCode::command_line);
    EXPECT_EQ(std::get<EarlyExit>(line).text.rfind("Usage: peerstage status", 0), 0U) << words.back();
  }
}

TEST(TrustCommandLine, takes_one_peer_even_if_it_is_named_like_a_command) {
  const CommandLine line = parse_command_line({"trust", "check", "--yes", "-c/x"});
  ASSERT_TRUE(std::holds_alternative<TrustCommand>(line));
  EXPECT_EQ(std::get<TrustCommand>(line).peer, "check");
  EXPECT_EQ(std::get<TrustCommand>(line).config_path, "/x");
  EXPECT_TRUE(std::get<TrustCommand>(line).yes);
}

TEST(ExecCommandLine, hands_over_every_word_after_the_dashes_as_it_is) {
  const CommandLine line =
      parse_command_line({"exec", "-c", "/x", "--", "ls", "-l", "--json", "--", "", "check"});
  ASSERT_TRUE(std::holds_alternative<ExecCommand>(line));
  const auto& exec = std::get<ExecCommand>(line);
  EXPECT_EQ(exec.config_path, "/x");
  EXPECT_EQ(exec.argv, (Words{"ls", "-l", "--json", "--", "", "check"}));
  EXPECT_TRUE(exec.peers.empty());
  EXPECT_TRUE(exec.groups.empty());
  EXPECT_EQ(exec.user, std::nullopt);
  EXPECT_EQ(exec.timeout, std::nullopt);
  EXPECT_FALSE(exec.gather);
  EXPECT_FALSE(exec.json);
}

TEST(ExecCommandLine, has_switches_of_its_own) {
  const CommandLine line =
      parse_command_line({"--peer", "web1", "exec", "--peer=web2", "--group", "rack1", "--user", "root",
                          "--timeout", "90s", "--gather", "--json", "--", "id"});
  ASSERT_TRUE(std::holds_alternative<ExecCommand>(line));
  const auto& exec = std::get<ExecCommand>(line);
  EXPECT_EQ(exec.peers, (Words{"web1", "web2"}));
  EXPECT_EQ(exec.groups, (Words{"rack1"}));
  EXPECT_EQ(exec.user, "root");
  EXPECT_EQ(exec.timeout, std::chrono::seconds(90));
  EXPECT_TRUE(exec.gather);
  EXPECT_TRUE(exec.json);
  EXPECT_EQ(exec.argv, Words{"id"});
}

TEST(RandomCommandLine, never_throws_and_always_ends_in_words_or_in_an_exit) {
  const Words pieces{"-",     "--",   "-c",  "--conf", "--config=", "=",     "-qb",    "-bc",   "--peer",
                     "--man", "-o",   "a:b", "-m",     "0o",        "stage", "check",  "trust", "--json",
                     "",      "\xff", "---", "-=",     "--=x",      "-c=",   "--help", "exec"};
  std::mt19937 random(7);
  std::uniform_int_distribution<std::size_t> piece(0, pieces.size() - 1), length(0, 5), parts(1, 2);
  for (int round = 0; round < 20'000; ++round) {
    Words arguments(length(random));
    for (auto& argument : arguments)
      for (std::size_t left = parts(random); left > 0; --left) argument += pieces[piece(random)];
    CommandLine line;
    ASSERT_NO_THROW(line = parse_command_line(arguments)) << testing::PrintToString(arguments);
    const auto* run = std::get_if<RunCommand>(&line);
    const auto* exit = std::get_if<EarlyExit>(&line);
    EXPECT_FALSE(run != nullptr && run->actions.empty()) << testing::PrintToString(arguments);
    EXPECT_FALSE(exit != nullptr && exit->text.empty()) << testing::PrintToString(arguments);
  }
}

}  // namespace
}  // namespace peerstage::daemon
