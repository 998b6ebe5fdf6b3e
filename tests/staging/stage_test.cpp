#include "peers/staging/stage.h"

#include <chrono>
#include <filesystem>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "peers/staging/hash.h"
#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::string sum_of(const std::string& text) {
  Sha256 hash;
  hash.add(text);
  return hash.finish().hex();
}

using Stage = StagingFixture;

TEST_F(Stage, copies_a_tree_with_modes_manifest_and_empty_directories) {
  peer.add_file("/collect/cback.collect", "");
  peer.add_file("/collect/a.tar", "alpha", 06755);
  peer.add_file("/collect/.hidden", "secret", 0600);
  peer.add_directory("/collect/sub", 0750);
  peer.add_file("/collect/sub/b", std::string(5000, 'b'), 0666);
  peer.add_directory("/collect/empty", 01777);

  const StagedTree result = stage();

  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.files, 4U);
  EXPECT_EQ(result.bytes, 5011U);
  EXPECT_EQ(result.reused_files, 0U);
  EXPECT_EQ(tree_of(day()),
            (Tree{{"web1", "755 directory"},
                  {"web1/cback.collect", "644 "},
                  {"web1/a.tar", "755 alpha"},
                  {"web1/.hidden", "600 secret"},
                  {"web1/sub", "750 directory"},
                  {"web1/sub/b", "644 " + std::string(5000, 'b')},
                  {"web1/empty", "755 directory"},
                  {"web1/cback.sha256", "640 " + sum_of("secret") + "  .hidden\n" + sum_of("alpha") +
                                            "  a.tar\n" + sum_of("") + "  cback.collect\n" +
                                            sum_of(std::string(5000, 'b')) + "  sub/b\n"}}));
  EXPECT_EQ(tree_of(staging_dir + "/.peerstage"), (Tree{{".lock", "600 "}}));
}

TEST_F(Stage, every_file_of_a_day_that_changed_is_told_and_none_of_one_that_did_not) {
  using Told = std::map<std::string, RecordingObserver::ToldFile>;
  const std::string strange = "not \xff utf-8";
  peer.add_file("/collect/gone", "gone");
  peer.add_file("/collect/stays", "stays");
  stage();
  const auto gone = observer.told.at("gone");
  const auto stays = observer.told.at("stays");
  EXPECT_EQ(gone.sum, sum_of("gone"));
  EXPECT_NE(gone.modified, 0);
  EXPECT_EQ(observer.told, (Told{{"gone", gone}, {"stays", stays}}));

  observer.told.clear();
  stage();
  EXPECT_EQ(observer.told, Told{});

  peer.entries.erase("/collect/gone");
  peer.add_file("/collect/" + strange, "new");
  stage();
  EXPECT_EQ(observer.told, (Told{{"gone", gone},
                                 {"stays", stays},
                                 {strange, {3, sum_of("new"), observer.told.at(strange).modified}}}));
}

TEST_F(Stage, configured_permissions_win_over_the_source) {
  options.permissions = config::FileMode{0640};
  peer.add_file("/collect/a", "alpha", 0777);
  peer.add_directory("/collect/sub", 0777);
  stage();
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"a", "640 alpha"}, {"sub", "750 directory"}}));
}

TEST_F(Stage, the_umask_of_the_process_does_not_matter) {
  peer.add_file("/collect/a", "alpha");
  peer.add_directory("/collect/sub");
  const mode_t old = ::umask(077);
  stage();
  ::umask(old);
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"a", "644 alpha"}, {"sub", "755 directory"}}));
}

TEST_F(Stage, a_second_run_touches_nothing) {
  peer.add_file("/collect/cback.collect", "");
  peer.add_directory("/collect/sub");
  peer.add_file("/collect/sub/b", "beta");
  stage();
  peer.forget_what_happened();
  const Tree before = traces_of(staging_dir);

  const StagedTree result = stage();

  EXPECT_FALSE(result.changed);
  EXPECT_EQ(result.files, 2U);
  EXPECT_EQ(result.bytes, 4U);
  EXPECT_EQ(result.reused_files, 2U);
  EXPECT_THAT(peer.fetched, ElementsAre());
  EXPECT_EQ(traces_of(staging_dir), before);
}

TEST_F(Stage, a_rerun_fetches_what_changed_and_keeps_what_is_gone_or_foreign) {
  peer.add_file("/collect/changes", "old");
  peer.add_file("/collect/goes", "gone");
  peer.add_file("/collect/stays", "same");
  peer.add_directory("/collect/sub");
  peer.add_file("/collect/sub/goes", "gone, too");
  stage();
  peer.change("/collect/changes", "new content");
  peer.entries.erase("/collect/goes");
  peer.entries.erase("/collect/sub/goes");
  peer.entries.erase("/collect/sub");
  peer.add_file("/collect/new", "fresh");
  write_file(peer_day() + "/stays.gpg", "by encrypt");
  std::filesystem::create_symlink("nowhere", peer_day() + "/link");
  peer.forget_what_happened();

  const StagedTree result = stage();

  EXPECT_TRUE(result.changed);
  EXPECT_THAT(peer.fetched, UnorderedElementsAre("/collect/changes", "/collect/new"));
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"changes", "644 new content"},
                                                         {"goes", "644 gone"},
                                                         {"stays", "644 same"},
                                                         {"sub", "755 directory"},
                                                         {"sub/goes", "644 gone, too"},
                                                         {"new", "644 fresh"},
                                                         {"stays.gpg", "644 by encrypt"},
                                                         {"link", "-> nowhere"}}));
  EXPECT_EQ(result.files, 5U);
  EXPECT_EQ(result.reused_files, 3U);
  EXPECT_EQ(read_text(peer_day() + "/cback.sha256"),
            sum_of("new content") + "  changes\n" + sum_of("gone") + "  goes\n" + sum_of("fresh") +
                "  new\n" + sum_of("same") + "  stays\n" + sum_of("gone, too") + "  sub/goes\n");
  struct stat status {};
  ASSERT_EQ(::stat((peer_day() + "/stays").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 1U);
}

TEST_F(Stage, a_day_that_cedar_backup_staged_is_overlaid) {
  write_file(peer_day() + "/a", "partial");
  write_file(peer_day() + "/other", "kept");
  peer.add_file("/collect/a", "alpha");
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"a", "644 alpha"}, {"other", "644 kept"}}));
  EXPECT_EQ(read_text(peer_day() + "/cback.sha256"), sum_of("alpha") + "  a\n");
}

TEST_F(Stage, without_tags_the_same_content_is_fetched_and_kept) {
  peer.add_file("/collect/a", "alpha");
  stage();
  ASSERT_EQ(::removexattr((peer_day() + "/a").c_str(), "user.peerstage.source"), 0);
  const Tree before = traces_of(day());
  const StagedTree result = stage();
  EXPECT_FALSE(result.changed);
  EXPECT_EQ(traces_of(day()), before);
}

struct Tampered {
  const char* name;
  std::function<void(const std::string&)> how;
};

class StageTampered : public StagingFixture, public ::testing::WithParamInterface<Tampered> {};

TEST_P(StageTampered, day_is_made_whole_again) {
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/b", "beta");
  stage();
  const Tree good = tree_of(day());
  GetParam().how(peer_day());
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(tree_of(day()), good);
}

INSTANTIATE_TEST_SUITE_P(
    Each, StageTampered,
    ::testing::Values(
        Tampered{"file_truncated", [](const std::string& day) { write_file(day + "/a", "al"); }},
        Tampered{"file_removed", [](const std::string& day) { std::filesystem::remove(day + "/a"); }},
        Tampered{"manifest_removed",
                 [](const std::string& day) { std::filesystem::remove(day + "/cback.sha256"); }},
        Tampered{"manifest_broken", [](const std::string& day) { write_file(day + "/cback.sha256", "x\n"); }},
        Tampered{"manifest_with_another_sum",
                 [](const std::string& day) {
                   write_file(day + "/cback.sha256", sum_of("x") + "  a\n" + sum_of("beta") + "  b\n");
                 }}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(Stage, markers_of_other_tools_go_when_the_day_changes) {
  peer.add_file("/collect/a", "alpha");
  stage();
  for (const char* marker :
       {"cback.store", "cback.encrypt", "cback.split", "cback.amazons3", "cback.stage"}) {
    write_file(day() + "/" + marker, "");
  }
  stage();
  EXPECT_TRUE(exists(day() + "/cback.store"));
  peer.change("/collect/a", "beta");
  stage();
  EXPECT_EQ(without_manifest(tree_of(day())).count("cback.stage"), 1U);
  for (const char* marker : {"cback.store", "cback.encrypt", "cback.split", "cback.amazons3"}) {
    EXPECT_FALSE(exists(day() + "/" + marker)) << marker;
    EXPECT_THAT(observer.events, Contains(HasSubstr(marker)));
  }
}

TEST_F(Stage, our_indicator_and_the_peers_manifest_are_not_copied) {
  peer.add_file("/collect/cback.stage", "");
  peer.add_file("/collect/cback.sha256", sum_of("alpha") + "  ./a\n" + sum_of("") + "  cback.sha256\n");
  peer.add_file("/collect/a", "alpha");
  peer.add_directory("/collect/sub");
  peer.add_file("/collect/sub/cback.stage", "data");
  EXPECT_EQ(stage().files, 2U);
  EXPECT_EQ(
      tree_of(peer_day()),
      (Tree{{"a", "644 alpha"},
            {"cback.sha256", "640 " + sum_of("alpha") + "  a\n" + sum_of("data") + "  sub/cback.stage\n"},
            {"sub", "755 directory"},
            {"sub/cback.stage", "644 data"}}));
}

TEST_F(Stage, special_files_are_skipped_with_their_reasons) {
  peer.add_special("/collect/link", FileType::symlink);
  peer.add_special("/collect/pipe", FileType::fifo);
  peer.add_special("/collect/sock", FileType::socket);
  peer.add_special("/collect/dev", FileType::device);
  peer.add_special("/collect/what", FileType::unknown);
  peer.add_directory("/collect/sub");
  peer.add_file("/collect/sub/x", "x");
  options.subdirectories = config::Subdirectories::skip;
  const StagedTree result = stage();
  EXPECT_EQ(result.skipped, (std::vector<SkippedEntry>{{"dev", "device"},
                                                       {"link", "symlink"},
                                                       {"pipe", "fifo"},
                                                       {"sock", "socket"},
                                                       {"sub", "directory"},
                                                       {"what", "unknown type"}}));
  EXPECT_EQ(observer.left_out.size(), 6U);
  EXPECT_EQ(tree_of(peer_day()), (Tree{{"cback.sha256", "640 "}}));
}

TEST_F(Stage, special_files_and_subdirectories_fail_when_so_configured) {
  peer.add_special("/collect/link", FileType::symlink);
  options.special_files = config::SpecialFiles::fail;
  EXPECT_EQ(failure().kind, FailureKind::permanent);
  peer.entries.erase("/collect/link");
  peer.add_directory("/collect/sub");
  options.subdirectories = config::Subdirectories::fail;
  EXPECT_THAT(failure().message, HasSubstr("/collect/sub"));
  EXPECT_EQ(tree_of(staging_dir), (Tree{{".peerstage", "700 directory"}, {".peerstage/.lock", "600 "}}));
}

// --- hostile peers ---

struct Hostile {
  const char* name;
  std::string entry;
  FailureKind kind = FailureKind::hostile;
};

class StageHostileName : public StagingFixture, public ::testing::WithParamInterface<Hostile> {};

TEST_P(StageHostileName, fails_the_peer_and_writes_nothing) {
  peer.add_file("/collect/good", "good");
  peer.extra_entries = {{GetParam().entry, {FileType::regular, 1, 0644, std::chrono::seconds(1)}}};
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, GetParam().kind);
  for (const char c : failed.message) EXPECT_GE(static_cast<unsigned char>(c), 0x20U);
  EXPECT_EQ(tree_of(staging_dir), (Tree{{".peerstage", "700 directory"}, {".peerstage/.lock", "600 "}}));
}

INSTANTIATE_TEST_SUITE_P(
    Each, StageHostileName,
    ::testing::Values(Hostile{"slash", "../../etc/cron.d/x"}, Hostile{"absolute", "/etc/passwd"},
                      Hostile{"dot", "."}, Hostile{"dot_dot", ".."}, Hostile{"empty", ""},
                      Hostile{"newline", "a\nb"}, Hostile{"escape", "\x1b[2J"},
                      Hostile{"c1",
                              "a\xc2\x9b"
                              "b"},
                      Hostile{"nul", std::string("a\0b", 3)}, Hostile{"twice", "good"},
                      Hostile{"too_long", std::string(256, 'x'), FailureKind::permanent}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_F(Stage, names_of_255_bytes_and_of_no_encoding_work) {
  const std::string longest(255, 'x');
  const std::string bytes = "\xff\xfe caf\xe9 \\ '";
  peer.add_file("/collect/" + longest, "long");
  peer.add_file("/collect/" + bytes, "raw");
  stage();
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{longest, "644 long"}, {bytes, "644 raw"}}));
  const std::string command = "cd '" + peer_day() + "' && sha256sum --status -c cback.sha256";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(Stage, a_depth_bomb_is_hostile) {
  std::string path = "/collect";
  for (int depth = 0; depth < 65; ++depth) peer.add_directory(path += "/d");
  EXPECT_EQ(failure().kind, FailureKind::hostile);
}

TEST_F(Stage, a_file_without_a_size_is_refused) {
  peer.add_file("/collect/a", "alpha");
  peer.tells_size = false;
  EXPECT_EQ(failure().kind, FailureKind::permanent);
}

// --- changes and failures during the transfer ---

TEST_F(Stage, a_file_that_changes_once_is_fetched_again_and_alone) {
  peer.add_file("/collect/busy", "before");
  peer.add_file("/collect/calm", "calm");
  int fetches = 0;
  peer.before_fetch = [&](FakeConnection& self) {
    if (fetches++ == 0) self.change("/collect/busy", "afterwards");
  };
  const StagedTree result = stage();
  EXPECT_EQ(result.reused_files, 0U);
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"busy", "644 afterwards"}, {"calm", "644 calm"}}));
  EXPECT_THAT(peer.fetched, ElementsAre("/collect/busy", "/collect/calm", "/collect/busy"));
}

TEST_F(Stage, a_file_that_appears_or_vanishes_during_the_transfer_is_seen) {
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/vanishes", "gone");
  int fetches = 0;
  peer.before_fetch = [&](FakeConnection& self) {
    if (fetches++ > 0) return;
    self.entries.erase("/collect/vanishes");
    self.add_file("/collect/new", "fresh");
  };
  stage();
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"a", "644 alpha"}, {"new", "644 fresh"}}));
}

TEST_F(Stage, a_file_that_never_rests_fails_the_peer_after_three_passes) {
  peer.add_file("/collect/busy", "0");
  int fetches = 0;
  peer.before_fetch = [&](FakeConnection& self) { self.change("/collect/busy", std::to_string(++fetches)); };
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, HasSubstr("keeps changing while it is read"));
  EXPECT_THAT(failed.message, HasSubstr("busy"));
  EXPECT_EQ(fetches, 3);
  EXPECT_FALSE(exists(day()));
}

TEST_F(Stage, a_fresh_file_that_changes_under_the_same_mtime_is_caught) {
  peer.add_file("/collect/fresh", "version one");
  peer.entries.at("/collect/fresh").modified = std::chrono::system_clock::now().time_since_epoch();
  int fetches = 0;
  peer.before_fetch = [&](FakeConnection& self) {
    if (++fetches == 2) self.change_unseen("/collect/fresh");
  };
  stage();
  EXPECT_EQ(read_text(peer_day() + "/fresh"), peer.entries.at("/collect/fresh").content);
  EXPECT_GE(fetches, 4);
}

TEST_F(Stage, a_fresh_file_is_read_again_when_the_second_of_its_mtime_is_over) {
  const auto second = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  peer.add_file("/collect/fresh", "version one");
  peer.entries.at("/collect/fresh").modified = second.time_since_epoch();
  std::chrono::system_clock::time_point last_fetch;
  peer.before_fetch = [&](FakeConnection&) { last_fetch = std::chrono::system_clock::now(); };
  stage();
  EXPECT_EQ(peer.fetched, (std::vector<std::string>{"/collect/fresh", "/collect/fresh"}));
  EXPECT_GE(last_fetch, second + std::chrono::seconds(1));
}

TEST_F(Stage, an_unreadable_file_does_not_stop_the_others_but_fails_the_peer) {
  for (const char* name : {"a", "b", "c", "d"}) peer.add_file(std::string("/collect/") + name, name);
  peer.unreadable["/collect/b"] = {FailureKind::permanent,
                                   "cannot read /collect/b on web1: Permission denied"};
  peer.unreadable["/collect/c"] = {FailureKind::transient, "cannot read /collect/c on web1: who knows"};
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_EQ(failed.message, "cannot read /collect/b on web1: Permission denied (and 1 more files failed)");
  EXPECT_FALSE(exists(day()));

  peer.unreadable.clear();
  peer.forget_what_happened();
  const StagedTree result = stage();
  EXPECT_THAT(peer.fetched, UnorderedElementsAre("/collect/b", "/collect/c"));
  EXPECT_EQ(result.reused_files, 2U);
  EXPECT_EQ(without_manifest(tree_of(peer_day())),
            (Tree{{"a", "644 a"}, {"b", "644 b"}, {"c", "644 c"}, {"d", "644 d"}}));
}

TEST_F(Stage, a_broken_line_leaves_the_beginning_for_the_next_attempt) {
  const std::string content = [] {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += std::to_string(i * 7919);
    return text;
  }();
  peer.add_file("/collect/big", content);
  peer.breaks_after = 400'000;
  EXPECT_EQ(failure().kind, FailureKind::transient);
  EXPECT_FALSE(exists(day()));

  peer.breaks_after.reset();
  peer.forget_what_happened();
  const StagedTree result = stage();
  EXPECT_EQ(peer.offsets, std::vector<std::uint64_t>{400'000});
  EXPECT_EQ(result.reused_files, 0U);
  EXPECT_EQ(read_text(peer_day() + "/big"), content);
  EXPECT_EQ(read_text(peer_day() + "/cback.sha256"), sum_of(content) + "  big\n");
  EXPECT_FALSE(exists(spool()));
}

TEST_F(Stage, what_another_boot_left_is_not_continued) {
  peer.add_file("/collect/big", std::string(500'000, 'x'));
  peer.breaks_after = 300'000;
  failure();
  for (const auto& entry : std::filesystem::directory_iterator(spool())) {
    const std::string name = entry.path().filename();
    if (name.starts_with("boot.")) std::filesystem::rename(entry.path(), spool() + "/boot.another");
  }
  peer.breaks_after.reset();
  peer.forget_what_happened();
  stage();
  EXPECT_EQ(peer.offsets, std::vector<std::uint64_t>{0});
}

TEST_F(Stage, a_beginning_of_a_file_that_has_changed_since_is_not_continued) {
  peer.add_file("/collect/big", std::string(500'000, 'x'));
  peer.breaks_after = 300'000;
  failure();
  peer.change("/collect/big", std::string(500'000, 'y'));
  peer.breaks_after.reset();
  peer.forget_what_happened();
  stage();
  EXPECT_EQ(peer.offsets, std::vector<std::uint64_t>{0});
  EXPECT_EQ(read_text(peer_day() + "/big"), std::string(500'000, 'y'));
}

// --- verification ---

TEST_F(Stage, a_file_that_is_not_what_the_peers_manifest_says_fails_the_peer) {
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/cback.sha256", sum_of("beta") + " *a\n");
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, HasSubstr("\"a\""));
  EXPECT_FALSE(exists(day()));
}

TEST_F(Stage, a_file_that_only_the_peers_manifest_knows_fails_the_peer) {
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/cback.sha256", sum_of("alpha") + "  a\n" + sum_of("x") + "  missing\n");
  EXPECT_THAT(failure().message, HasSubstr("\"missing\""));
}

TEST_F(Stage, an_old_day_is_checked_against_a_new_manifest_of_the_peer) {
  peer.add_file("/collect/a", "alpha");
  stage();
  peer.change_unseen("/collect/a");
  peer.add_file("/collect/cback.sha256", sum_of(peer.entries.at("/collect/a").content) + "  a\n");
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(read_text(peer_day() + "/a"), peer.entries.at("/collect/a").content);
}

TEST_F(Stage, a_continued_file_that_fails_the_manifest_is_fetched_from_its_beginning) {
  peer.add_file("/collect/big", std::string(500'000, 'x'));
  peer.breaks_after = 300'000;
  failure();
  peer.change_unseen("/collect/big");
  peer.add_file("/collect/cback.sha256", sum_of(peer.entries.at("/collect/big").content) + "  big\n");
  peer.breaks_after.reset();
  stage();
  EXPECT_EQ(read_text(peer_day() + "/big"), peer.entries.at("/collect/big").content);
}

TEST_F(Stage, a_manifest_that_is_no_regular_file_fails_the_peer) {
  peer.add_special("/collect/cback.sha256", FileType::symlink);
  EXPECT_EQ(failure().kind, FailureKind::permanent);
}

TEST_F(Stage, a_hostile_name_in_the_peers_manifest_fails_the_peer) {
  peer.add_file("/collect/cback.sha256", sum_of("") + "  ../x\n");
  EXPECT_EQ(failure().kind, FailureKind::hostile);
}

TEST_F(Stage, the_peers_manifest_is_not_read_when_sizes_are_enough) {
  options.verify = config::Verify::none;
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/cback.sha256", "rubbish");
  stage();
  EXPECT_EQ(read_text(peer_day() + "/cback.sha256"), sum_of("alpha") + "  a\n");
}

TEST_F(Stage, checksums_of_the_peer_confirm_and_refute) {
  options.verify = config::Verify::checksum;
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/we ird\\", "beta");
  EXPECT_TRUE(stage().changed);
  EXPECT_FALSE(stage().changed);
  peer.change_unseen("/collect/a");  // no listing shows it
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(read_text(peer_day() + "/a"), peer.entries.at("/collect/a").content);
}

TEST_F(Stage, checksums_of_the_peer_do_not_make_up_for_a_wrong_manifest) {
  options.verify = config::Verify::checksum;
  peer.add_file("/collect/a", "alpha");
  peer.add_file("/collect/cback.sha256", std::string(64, '0') + "  a\n");
  EXPECT_THAT(failure().message, HasSubstr("cback.sha256"));
  EXPECT_FALSE(exists(day()));
}

TEST_F(Stage, a_peer_that_cannot_give_checksums_fails) {
  options.verify = config::Verify::checksum;
  peer.add_file("/collect/a", "alpha");
  peer.on_run = [](const Command&) {
    CommandResult result;
    result.exit_status = 127;
    result.error_output = "sha256sum: not found\n";
    return result;
  };
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, HasSubstr("verify=checksum"));
}

// --- the staging directory ---

TEST_F(Stage, a_dry_run_creates_nothing_at_all) {
  options.mode = RunMode::dry_run;
  peer.add_file("/collect/a", "alpha");
  const StagedTree result = stage();
  EXPECT_TRUE(result.changed);
  EXPECT_EQ(result.files, 1U);
  EXPECT_FALSE(exists(staging_dir));
  EXPECT_THAT(peer.fetched, ElementsAre());
  EXPECT_EQ(observer.planned_work, std::make_pair(std::uint64_t{1}, std::uint64_t{5}));
}

TEST_F(Stage, a_dry_run_over_a_staged_day_changes_nothing) {
  peer.add_file("/collect/a", "alpha");
  stage();
  const Tree before = traces_of(staging_dir);
  options.mode = RunMode::dry_run;
  EXPECT_FALSE(stage().changed);
  peer.change("/collect/a", "beta");
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(traces_of(staging_dir), before);
}

TEST_F(Stage, a_symlink_in_the_place_of_the_peers_day_is_refused_untouched) {
  std::filesystem::create_directories(day());
  std::filesystem::create_directory(temporary / "elsewhere");
  std::filesystem::create_directory_symlink(temporary / "elsewhere", peer_day());
  peer.add_file("/collect/a", "alpha");
  const Tree before = tree_of(temporary.path());
  EXPECT_EQ(failure().kind, FailureKind::permanent);
  EXPECT_EQ(tree_of(temporary / "elsewhere"), Tree{});
  EXPECT_EQ(tree_of(day()), (Tree{{"web1", "-> " + (temporary / "elsewhere")}}));
}

TEST_F(Stage, a_file_where_the_peer_has_a_directory_is_a_conflict) {
  peer.add_file("/collect/x", "a file");
  stage();
  peer.entries.erase("/collect/x");
  peer.add_directory("/collect/x");
  const Tree before = tree_of(day());
  EXPECT_EQ(failure().kind, FailureKind::permanent);
  EXPECT_EQ(tree_of(day()), before);
}

TEST_F(Stage, what_does_not_fit_is_not_begun) {
  peer.add_file("/collect/a", "alpha");
  options.minimum_free = 100.0;
  const Failure failed = failure();
  EXPECT_EQ(failed.kind, FailureKind::permanent);
  EXPECT_THAT(failed.message, HasSubstr("disk full"));
  EXPECT_THAT(peer.fetched, ElementsAre());
}

TEST_F(Stage, sizes_that_no_disk_holds_do_not_fit_either) {
  const auto entry = [](const char* name, std::uint64_t size) {
    return ListedEntry{name, {FileType::regular, size, 0644U, std::chrono::seconds(1'600'000'000)}};
  };
  for (const auto& entries : {std::vector{entry("all", ~0ULL)},
                              std::vector{entry("half", 1ULL << 63U), entry("other", 1ULL << 63U)},
                              std::vector{entry("1", 1ULL << 62U), entry("2", 1ULL << 62U),
                                          entry("3", 1ULL << 62U), entry("4", 1ULL << 62U)}}) {
    peer.extra_entries = entries;
    EXPECT_THAT(failure().message, HasSubstr("disk full"));
    EXPECT_THAT(peer.fetched, ElementsAre());
  }
}

TEST_F(Stage, a_file_that_took_the_place_of_a_beginning_is_not_written_to) {
  peer.add_file("/collect/big", std::string(500'000, 'x'));
  peer.breaks_after = 300'000;
  failure();
  const std::string victim = temporary / "victim";
  write_file(victim, std::string(300'000, 'v'));
  peer.breaks_after.reset();
  peer.before_fetch = [&](FakeConnection&) {
    for (const auto& entry : std::filesystem::directory_iterator(spool())) {
      if (entry.path().filename().string().size() != 32) continue;
      std::filesystem::remove(entry.path());
      std::filesystem::create_hard_link(victim, entry.path());
    }
  };
  EXPECT_THAT(failure().message, HasSubstr("who else writes there"));
  EXPECT_EQ(read_text(victim), std::string(300'000, 'v'));
  EXPECT_FALSE(exists(peer_day()));
}

TEST_F(Stage, the_bandwidth_limit_is_kept) {
  peer.add_file("/collect/a", std::string(300'000, 'a'));
  options.bandwidth_limit = std::make_shared<const std::atomic<std::uint64_t>>(1'000'000);
  const auto begin = std::chrono::steady_clock::now();
  stage();
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, std::chrono::milliseconds(190));  // a tenth of a second is saved up
}

TEST_F(Stage, a_crash_between_build_and_rename_is_cleared_up) {
  peer.add_file("/collect/a", "alpha");
  stage();
  const Tree good = tree_of(day());
  write_file(day() + "/cback.peerstage.web1/half", "built");
  write_file(spool() + "/publishing.2026-11-20", "");
  EXPECT_FALSE(stage().changed);
  EXPECT_EQ(tree_of(day()), good);
  EXPECT_FALSE(exists(spool()));
}

TEST_F(Stage, an_unfinished_tree_without_a_note_is_cleared_up_too) {
  peer.add_file("/collect/a", "alpha");
  write_file(day() + "/cback.peerstage.web1/half", "built");
  EXPECT_TRUE(stage().changed);
  EXPECT_EQ(without_manifest(tree_of(peer_day())), (Tree{{"a", "644 alpha"}}));
  EXPECT_FALSE(exists(day() + "/cback.peerstage.web1"));
}

TEST_F(Stage, a_peer_with_a_name_of_255_bytes_can_be_staged) {
  const std::string name(255, 'p');
  peer.add_file("/collect/a", "alpha");
  for (const char* content : {"beta", "gamma"}) {
    StagingArea area = StagingArea::open(staging_dir, std::nullopt, RunMode::real);
    area.open_day(today);
    PeerPlace place = area.place(name);
    stage_tree(peer, "/collect", place, options, observer);
    EXPECT_TRUE(area.has_peer(name));
    peer.change("/collect/a", content);
  }
  EXPECT_EQ(without_manifest(tree_of(day() + "/" + name)), (Tree{{"a", "644 beta"}}));
}

TEST_F(Stage, directories_that_may_not_be_written_are_replaced_all_the_same) {
  peer.add_file("/collect/a", "alpha");
  stage();
  write_file(peer_day() + "/theirs/x", "kept");
  std::filesystem::permissions(peer_day() + "/theirs", std::filesystem::perms(0555));
  peer.change("/collect/a", "beta");
  stage();
  EXPECT_EQ(tree_of(day()).size(), 5U);
  EXPECT_EQ(without_manifest(tree_of(peer_day())),
            (Tree{{"a", "644 beta"}, {"theirs", "555 directory"}, {"theirs/x", "644 kept"}}));
}

TEST_F(Stage, a_crash_between_two_renames_is_undone) {
  peer.add_file("/collect/a", "alpha");
  stage();
  const Tree good = tree_of(day());
  std::filesystem::rename(peer_day(), day() + "/cback.peerstage-old.web1");
  write_file(day() + "/cback.peerstage.web1/half", "built");
  write_file(spool() + "/publishing.2026-11-20", "");
  EXPECT_FALSE(stage().changed);
  EXPECT_EQ(tree_of(day()), good);
}

TEST_F(Stage, what_is_no_directory_never_becomes_a_day) {
  peer.add_file("/collect/a", "alpha");
  stage();
  const std::string old = day() + "/cback.peerstage-old.web1";
  std::filesystem::remove_all(peer_day());
  write_file(old, "planted");
  EXPECT_THROW(stage(), PeerError);
  EXPECT_FALSE(std::filesystem::exists(peer_day()));
  std::filesystem::remove(old);
  EXPECT_TRUE(stage().changed);
}

TEST_F(Stage, hundreds_of_files_arrive_whole) {
  for (int i = 0; i < 600; ++i) {
    peer.add_file("/collect/file" + std::to_string(i),
                  std::string(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26)));
  }
  peer.files_at_a_time = 64;
  EXPECT_EQ(stage().files, 600U);
  const std::string command = "cd '" + peer_day() + "' && sha256sum --status -c cback.sha256";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_FALSE(stage().changed);
}

}  // namespace
}  // namespace peerstage::peers::staging
