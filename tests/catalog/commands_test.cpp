#include <ctime>

#include <gmock/gmock.h>

#include "config/load.h"
#include "daemon/catalog/catalog_json.h"
#include "daemon/catalog/files_command.h"
#include "daemon/catalog/history_command.h"
#include "some_runs.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CatalogCommands : public ::testing::Test {
 protected:
  CatalogCommands() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }

  static CatalogedRun nightly() {
    CatalogedRun run;
    run.report = run_of("one", {});
    run.report.peers = {peer_of("web1", PeerStatus::staged, 12, 2048), peer_of("web2", PeerStatus::failed),
                        peer_of("web3", PeerStatus::ignored)};
    run.report.finished = at_hour(3);
    run.origin.job = "nightly";
    run.origin.trigger = RunTrigger::schedule;
    run.over = true;
    return run;
  }
  static CatalogedRun unfinished() {
    CatalogedRun run;
    run.report = run_of("two", {"web1"}, 4);
    return run;
  }
};

TEST_F(CatalogCommands, TheTableOfRunsHasALineForEach) {
  EXPECT_EQ(history_table({unfinished(), nightly()}, std::nullopt),
            "date        start     job           status      ok  failed    size   time\n"
            "2026-11-20  04:00:00  command_line  unfinished   0       0     0 B      -\n"
            "2026-11-20  02:00:00  nightly       failed       1       1  2.0 KB  1h00m\n");
}

TEST_F(CatalogCommands, TheTableOfAPeerSaysWhy) {
  EXPECT_EQ(history_table({unfinished(), nightly()}, "web1"),
            "date        start     job           status      files    size  attempts   time  why\n"
            "2026-11-20  04:00:00  command_line  unfinished      0     0 B         0  0.0 s\n"
            "2026-11-20  02:00:00  nightly       staged         12  2.0 KB         1  1.5 s\n");
  EXPECT_THAT(history_table({nightly()}, "web2"), HasSubstr("failed"));
  EXPECT_THAT(history_table({nightly()}, "web2"), HasSubstr("  the line to web2 broke\n"));
}

TEST_F(CatalogCommands, SinceIsADateOrADuration) {
  const auto now = at_hour(12);
  EXPECT_EQ(begin_of_history("2026-11-19", now), at_hour(0) - std::chrono::hours(24));
  EXPECT_EQ(begin_of_history("2d", now), now - std::chrono::hours(48));
  for (const char* wrong : {"2026-11-31", "2026-11-1", "26-11-19", "yesterday", "", "2026-11-19 "}) {
    EXPECT_THROW(begin_of_history(wrong, now), std::runtime_error) << wrong;
  }
}

TEST_F(CatalogCommands, TheTableOfFilesHasATotalAndNoBytesOfATerminal) {
  std::vector<WorkFile> files{file_of("a", 1'500), file_of("b\x1b[2J\xff", 7)};
  files[1].source_mtime = 0;
  files[1].fetched_on = "2026-11-19";
  const std::string table = files_table(files);
  EXPECT_THAT(table, StartsWith("sha256"));
  EXPECT_THAT(table, HasSubstr("  1500  2023-11-14T22:13:20Z  -           a\n"));
  EXPECT_THAT(table, HasSubstr("     7  -                     2026-11-19  b\\x1b[2J\\xff\n"));
  EXPECT_THAT(table, HasSubstr("total: 2 files, 1.5 KB (1507 bytes)\n"));
}

TEST_F(CatalogCommands, TheDocumentOfFilesIsStable) {
  WorkFile file = file_of("a\xff", 7), taken = file_of("b", 7);
  taken.source_mtime = 0;
  taken.fetched_on = "2026-11-19";
  EXPECT_EQ(files_json("web1", that_day, {file, taken}), R"({
  "version": 1,
  "peer": "web1",
  "date": "2026-11-20",
  "files": [
    {
      "name": "a\\xff",
      "size": 7,
      "sha256": "0707070707070707070707070707070707070707070707070707070707070707",
      "mtime": "2023-11-14T22:13:20Z",
      "fetched_on": null
    },
    {
      "name": "b",
      "size": 7,
      "sha256": "0707070707070707070707070707070707070707070707070707070707070707",
      "mtime": null,
      "fetched_on": "2026-11-19"
    }
  ]
}
)");
}

TEST_F(CatalogCommands, ARunInADocumentHasItsOriginAndItsInterruptions) {
  CatalogedRun run = unfinished();
  run.origin.slot = at_hour(1);
  run.origin.selected = {"web1"};
  run.interruptions = {{at_hour(5), RunInterruption::Cause::shutdown}};
  run.report.peers.clear();
  const std::string object = R"("run": {
    "id": "two",
    "action": "stage",
    "date": "2026-11-20",
    "started": "2026-11-20T04:00:00Z",
    "finished": null,
    "daily_dir": "/staging/2026/11/20",
    "status": "ok",
    "exit_code": 0,
    "error": null,
    "job": null,
    "trigger": "command_line",
    "slot": "2026-11-20T01:00:00Z",
    "selected": [
      "web1"
    ],
    "full": false,
    "over": false,
    "interruptions": [
      {
        "when": "2026-11-20T05:00:00Z",
        "cause": "shutdown"
      }
    ]
  },
  "peers": []
})";
  EXPECT_EQ(to_json(run), "{\n  \"version\": 1,\n  " + object + "\n");
  EXPECT_EQ(to_json(std::vector<CatalogedRun>{}), "{\n  \"version\": 1,\n  \"runs\": []\n}\n");
  EXPECT_THAT(to_json(std::vector<CatalogedRun>{run}), HasSubstr("\"runs\": [\n    {\n      \"run\": {"));
}

// --- with a configuration

class CatalogCommandLine : public ::testing::Test {
 protected:
  std::string configuration(const std::string& section) {
    return temporary.write(
        "peerstage.conf",
        "<cb_config><options><starting_day>monday</starting_day><working_dir>/tmp</working_dir>"
        "<backup_user>root</backup_user><backup_group>root</backup_group>"
        "<rcp_command>/usr/bin/scp</rcp_command></options><peerstage>" +
            section +
            "</peerstage><purge><dir><abs_path>/tmp</abs_path><retain_days>7</retain_days></dir></purge>"
            "</cb_config>");
  }
  std::string with_daemon() {
    return configuration(
        "<daemon><job><name>nightly</name><schedule>@daily</schedule><actions>stage</actions></"
        "job><catalog>" +
        path + "</catalog></daemon>");
  }

  test::TemporaryDirectory temporary;
  std::string path = temporary / "catalog.db";
};

TEST_F(CatalogCommandLine, WithoutADaemonThereIsNoCatalog) {
  HistoryCommand command;
  command.config_path = configuration("");
  testing::internal::CaptureStderr();
  EXPECT_EQ(show_history(command), ExitCode::error);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "peerstage history: there is no catalog, because " + *command.config_path +
                " has no <daemon> section in <peerstage>; the daemon keeps the catalog\n");
}

TEST_F(CatalogCommandLine, WhatCannotBeShownIsADocumentToo) {
  HistoryCommand command;
  command.config_path = with_daemon();
  command.json = true;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(show_history(command), ExitCode::error);
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              StartsWith("{\n  \"version\": 1,\n  \"error\": \"there is no"));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), StartsWith("peerstage history: there is no"));
}

TEST_F(CatalogCommandLine, ASinceThatIsNoneIsAMistakeOfTheCommandLine) {
  HistoryCommand command;
  command.since = "soon";
  testing::internal::CaptureStderr();
  EXPECT_EQ(show_history(command), ExitCode::command_line);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("--since soon: must be a date"));
}

TEST_F(CatalogCommandLine, HistoryAndFilesPrintWhatIsInTheCatalog) {
  {
    Catalog catalog(path, Catalog::Access::read_write);
    record(catalog, run_of("one", {"web1"}), {peer_of("web1", PeerStatus::staged, 1, 5)});
    record(catalog, run_of("two", {"web1"}, 5), {peer_of("web1", PeerStatus::staged, 1, 5)});
    catalog.add_files("two", "web1", {file_of("etc.tar")});
    catalog.complete_files("two", "web1");
  }
  HistoryCommand history;
  history.config_path = with_daemon();
  if (!config::load(*history.config_path, config::StartedAs::user).config)
    GTEST_SKIP() << "the configuration does not know <daemon>";
  history.limit = 1;
  testing::internal::CaptureStdout();
  EXPECT_EQ(show_history(history), ExitCode::ok);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("command_line  ok       1       0"));

  FilesCommand files;
  files.config_path = history.config_path;
  files.peer = "web1";
  files.date = that_day;
  testing::internal::CaptureStdout();
  EXPECT_EQ(show_files(files), ExitCode::ok);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("  etc.tar\ntotal: 1 files"));

  files.peer = "web2";
  testing::internal::CaptureStderr();
  EXPECT_EQ(show_files(files), ExitCode::error);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("the catalog knows no files of the peer web2 on 2026-11-20"));
}

}  // namespace
}  // namespace peerstage::daemon
