#include "config/load.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

using std::chrono::milliseconds;

std::string options(const std::string& more = "") {
  return "<options><starting_day>monday</starting_day><working_dir>/w</working_dir><backup_user>b</"
         "backup_user>"
         "<backup_group>g</backup_group><rcp_command>scp</rcp_command>" +
         more + "</options>";
}

std::string document(const std::string& sections, const std::string& more_options = "") {
  return "<cb_config>" + options(more_options) + sections + "</cb_config>";
}

LoadResult load_text(const std::string& text) {
  const test::TemporaryDirectory directory;
  return load(directory.write("cback.conf", text), StartedAs::user);
}

Config full() {
  auto result = load(std::string(PEERSTAGE_TEST_DATA) + "/samples/valid/full.conf", StartedAs::user);
  EXPECT_TRUE(result.config);
  return result.config.value_or(Config{});
}

TEST(Load, ReadsEveryElementOfOptions) {
  const Options options = full().options;
  EXPECT_EQ(options.starting_day, Day::tuesday);
  EXPECT_EQ(options.working_dir, "/var/lib/backup/tmp");
  EXPECT_EQ(options.backup_user, "backup");
  EXPECT_EQ(options.backup_group, "backup");
  EXPECT_EQ(options.rcp_command.text, "/usr/bin/scp -B -q -P 2200 -i ~/.ssh/pool -l 8000");
  EXPECT_EQ(options.rcp_command.line, 28);
  EXPECT_EQ(options.rcp_command.element, "options/rcp_command");
  ASSERT_TRUE(options.rsh_command);
  EXPECT_EQ(options.rsh_command->text, "/usr/bin/ssh -q");
  EXPECT_EQ(options.cback_command, "/usr/bin/cback3");
  EXPECT_EQ(options.managed_actions, (std::vector<std::string>{"collect", "purge"}));
  ASSERT_EQ(options.overrides.size(), 1U);
  EXPECT_EQ(options.overrides[0].abs_path, "/usr/bin/genisoimage");
  ASSERT_EQ(options.pre_action_hooks.size(), 1U);
  EXPECT_EQ(options.pre_action_hooks[0].command, "/usr/local/bin/quiesce \"the database\"");
  ASSERT_EQ(options.post_action_hooks.size(), 1U);
  EXPECT_EQ(options.post_action_hooks[0].action, "stage");
}

TEST(Load, ReadsEveryElementOfAPeer) {
  const Config config = full();
  ASSERT_TRUE(config.peers);
  ASSERT_EQ(config.peers->size(), 3U);
  const ConfiguredPeer& peer = config.peers->front();
  EXPECT_EQ(peer.type, PeerType::remote);
  EXPECT_EQ(peer.name, "web1");
  EXPECT_EQ(peer.element, "peers/peer[1]");
  EXPECT_EQ(peer.collect_dir, "/var/backup/collect");
  EXPECT_EQ(peer.ignore_failures, IgnoreFailures::weekly);
  EXPECT_EQ(peer.backup_user, "collector");
  ASSERT_TRUE(peer.rcp_command);
  EXPECT_EQ(peer.rcp_command->text, "/usr/bin/scp -C");
  EXPECT_EQ(peer.rcp_command->element, "peers/peer[1]/rcp_command");
  EXPECT_EQ(peer.cback_command, "/opt/cback3");
  EXPECT_TRUE(peer.managed);
  EXPECT_EQ(peer.managed_actions, std::vector<std::string>{"purge"});
  EXPECT_EQ(peer.address, "10.0.0.7");
  EXPECT_EQ(peer.port, Port{2222});
  EXPECT_EQ(peer.identity_file, "/etc/peerstage/web1");
  EXPECT_EQ(peer.known_hosts, "~/.ssh/web1_hosts");
  EXPECT_EQ(peer.group, "rack-a");
  EXPECT_EQ(peer.staging.verify, Verify::checksum);
  EXPECT_EQ(peer.staging.retries, 9U);
  EXPECT_EQ(peer.staging.bandwidth_limit, ByteCount{2U << 20U});
}

TEST(Load, ReadsEveryElementOfCollectAndPurge) {
  const Config config = full();
  ASSERT_TRUE(config.collect);
  EXPECT_EQ(config.collect->collect_mode, CollectMode::daily);
  EXPECT_EQ(config.collect->archive_mode, ArchiveMode::targz);
  EXPECT_EQ(config.collect->ignore_file, ".cbignore");
  EXPECT_EQ(config.collect->exclude.abs_paths, std::vector<std::string>{"/etc/alternatives"});
  EXPECT_EQ(config.collect->exclude.patterns, std::vector<std::string>{R"(.*\.(o|pyc))"});
  ASSERT_EQ(config.collect->files.size(), 1U);
  EXPECT_EQ(config.collect->files[0].collect_mode, CollectMode::weekly);
  ASSERT_EQ(config.collect->directories.size(), 1U);
  const CollectDirectory& directory = config.collect->directories[0];
  EXPECT_EQ(directory.abs_path, "/home");
  EXPECT_EQ(directory.collect_mode, CollectMode::incremental);
  EXPECT_EQ(directory.archive_mode, ArchiveMode::tarbz2);
  EXPECT_EQ(directory.ignore_file, ".skip");
  EXPECT_EQ(directory.link_depth, 2);
  EXPECT_TRUE(directory.dereference);
  EXPECT_EQ(directory.recursion_level, -1);
  EXPECT_EQ(directory.exclude.rel_paths, std::vector<std::string>{"tmp"});
  ASSERT_TRUE(config.purge);
  ASSERT_EQ(config.purge->directories.size(), 2U);
  EXPECT_EQ(config.purge->directories[0].retain_days, 7);
}

TEST(Load, ReadsReferenceExtensionsAndStore) {
  const Config config = full();
  ASSERT_TRUE(config.reference && config.extensions && config.store);
  EXPECT_EQ(config.reference->revision, "7");
  ASSERT_EQ(config.extensions->actions.size(), 1U);
  EXPECT_EQ(config.extensions->actions[0].index, 99);
  ASSERT_TRUE(config.extensions->actions[0].depends);
  EXPECT_EQ(config.extensions->actions[0].depends->run_before,
            (std::vector<std::string>{"collect", "stage"}));
  EXPECT_EQ(config.store->media_type, "cdrw-74");
  EXPECT_TRUE(config.store->check_media);
  EXPECT_FALSE(config.store->no_eject);
  EXPECT_EQ(config.store->blank_factor, "1.3");
}

TEST(Load, ReadsEveryElementOfItsOwnSection) {
  const PeerstageSection section = full().peerstage;
  const StagingValues& values = section.staging.values;
  EXPECT_EQ(section.staging.parallel_peers, 4U);
  EXPECT_EQ(section.staging.daily_indicator, DailyIndicator::any);
  EXPECT_EQ(values.connections_per_peer, 2U);
  EXPECT_EQ(values.wait_for_collect, std::chrono::minutes(90));
  EXPECT_EQ(values.poll_interval, std::chrono::seconds(15));
  EXPECT_EQ(values.retries, 5U);
  EXPECT_EQ(values.retry_delay, milliseconds(500));
  EXPECT_EQ(values.bandwidth_limit, ByteCount{20U << 20U});
  EXPECT_EQ(values.reuse_unchanged, false);
  EXPECT_EQ(values.verify, Verify::manifest);
  EXPECT_EQ(values.subdirectories, Subdirectories::skip);
  EXPECT_EQ(values.special_files, SpecialFiles::fail);
  EXPECT_EQ(values.permissions, FileMode{0640});
  EXPECT_EQ(values.minimum_free, MinimumFree{12.5});
  EXPECT_EQ(values.deadline, std::chrono::hours(4));
  EXPECT_EQ(section.ssh.port, Port{2201});
  EXPECT_EQ(section.ssh.identity_file, "~/.ssh/peerstage");
  EXPECT_EQ(section.ssh.known_hosts, "/etc/peerstage/known_hosts");
  EXPECT_EQ(section.ssh.config_file, "none");
  EXPECT_EQ(section.ssh.host_key_policy, HostKeyPolicy::accept_new);
  EXPECT_EQ(section.ssh.ciphers, "aes128-ctr,aes256-ctr");
  EXPECT_EQ(section.ssh.compression, true);
  EXPECT_EQ(section.ssh.connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(section.ssh.idle_timeout, std::chrono::minutes(2));
}

TEST(Load, TakesTheFirstValueThatIsNotEmptyAndNothingBehindIt) {
  const auto config =
      load(std::string(PEERSTAGE_TEST_DATA) + "/samples/valid/odd_but_accepted.conf", StartedAs::user).config;
  ASSERT_TRUE(config);
  EXPECT_EQ(config->options.starting_day, Day::monday);
  EXPECT_EQ(config->options.backup_group, "grün");
  EXPECT_EQ(config->options.rcp_command.text, "scp");
  EXPECT_TRUE(config->purge->directories.empty());
}

struct Case {
  const char* name;
  std::string text;
  bool accepted;
};
void PrintTo(const Case& row, std::ostream* out) {
  *out << row.name;
}

const std::string peer = "<name>p</name><type>remote</type><collect_dir>/c</collect_dir>";
const std::string commands = "<rsh_command>ssh</rsh_command><cback_command>cback3</cback_command>";

std::string stage(const std::string& peers) {
  return "<stage><staging_dir>/s</staging_dir>" + peers + "</stage>";
}
std::string one_peer(const std::string& more) {
  return stage("<peer>" + peer + more + "</peer>");
}
std::string media(const std::string& type, const std::string& device) {
  return "<store><source_dir>/s</source_dir><target_device>/d</target_device><media_type>" + type +
         "</media_type>" + (device.empty() ? "" : "<device_type>" + device + "</device_type>") + "</store>";
}
std::string collect_file(const std::string& modes) {
  return "<collect><collect_dir>/c</collect_dir><archive_mode>tar</archive_mode><file><abs_path>/f</"
         "abs_path>" +
         modes + "</file></collect>";
}
std::string extension(const std::string& mode, const std::string& more) {
  return "<purge/><extensions>" + mode + "<action><name>a</name><module>m</module><function>f</function>" +
         more + "</action></extensions>";
}

class Rule : public testing::TestWithParam<Case> {};

TEST_P(Rule, DecidesWhetherItLoads) {
  const LoadResult result = load_text(GetParam().text);
  std::string findings;
  for (const Finding& finding : result.findings) findings += finding.text() + "\n";
  EXPECT_EQ(result.config.has_value(), GetParam().accepted) << findings;
  EXPECT_NE(result.config.has_value(), has_errors(result.findings));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, Rule,
    testing::Values(
        Case{"options_and_an_empty_purge_do", document("<purge/>"), true},
        Case{"options_alone_do_not", document(""), false},
        Case{"purge_without_options_does_not", "<cb_config><purge/></cb_config>", false},
        Case{"an_options_section_further_down_is_none",
             "<cb_config><x>" + options() + "</x><purge/></cb_config>", false},
        Case{"one_peer_in_stage_does", document(one_peer("")), true},
        Case{"stage_may_take_its_peers_from_peers",
             document("<peers><peer>" + peer + "</peer></peers>" + stage("")), true},
        Case{"an_empty_peers_section_does_not_do_even_beside_stage", document("<peers/>" + one_peer("")),
             false},
        Case{"one_name_in_both_sections_is_fine",
             document("<peers><peer>" + peer + "</peer></peers>" + one_peer("")), true},
        Case{"one_name_twice_in_a_section_is_not",
             document(stage("<peer>" + peer + "</peer><peer>" + peer + "</peer>")), false},
        Case{"names_that_differ_in_case_are_two",
             document(
                 stage("<peer>" + peer +
                       "</peer><peer><name>P</name><type>local</type><collect_dir>/c</collect_dir></peer>")),
             true},
        Case{"a_peer_without_type_is_refused",
             document(stage("<peer><name>p</name><collect_dir>/c</collect_dir></peer><peer>" + peer +
                            "</peer>")),
             false},
        Case{"a_local_peer_may_have_any_nonsense_for_remote_ones",
             document(stage(
                 "<peer><name>p</name><type>local</type><collect_dir>/c</collect_dir><managed>x</managed>"
                 "<port>x</port></peer>")),
             true},
        Case{"a_managed_peer_needs_its_commands", document(one_peer("<managed>Y</managed>")), false},
        Case{
            "a_managed_peer_may_inherit_them",
            document(one_peer("<managed>Y</managed>"), commands + "<managed_actions>purge</managed_actions>"),
            true},
        Case{"an_empty_list_of_actions_is_none",
             document(one_peer("<managed>Y</managed>"), commands + "<managed_actions>,</managed_actions>"),
             false},
        Case{"an_empty_list_of_its_own_passes_beside_that_of_options",
             document(one_peer("<managed>Y</managed><managed_actions>,</managed_actions>"),
                      commands + "<managed_actions>purge</managed_actions>"),
             true},
        Case{"an_index_is_required_in_index_mode", document(extension("", "<depends/>")), false},
        Case{"dependencies_are_required_in_dependency_mode",
             document(extension("<order_mode>dependency</order_mode>", "<index>1</index>")), false},
        Case{"empty_dependencies_do",
             document(extension("<order_mode>dependency</order_mode>", "<depends/>")), true},
        Case{"a_mode_is_required_somewhere", document(collect_file("")), false},
        Case{"the_old_name_mode_does", document(collect_file("<mode>daily</mode>")), true},
        Case{"the_old_name_hides_the_new_one",
             document(collect_file("<mode>daily</mode><collect_mode>never</collect_mode>")), true},
        Case{"a_cd_fits_the_default_device", document(media("cdr-80", "")), true},
        Case{"a_dvd_does_not", document(media("dvd+r", "")), false},
        Case{"a_dvd_fits_its_writer", document(media("dvd+r", "dvdwriter")), true},
        Case{"a_cd_does_not_fit_a_dvd_writer", document(media("cdr-80", "dvdwriter")), false},
        Case{"hooks_and_overrides_may_be_empty",
             document("<purge/>", "<pre_action_hook/><post_action_hook/><override/>"), true},
        Case{"unknown_elements_are_fine_outside", document("<purge/><own><x y='1'/></own>"), true},
        Case{"unknown_elements_are_refused_inside", document("<purge/><peerstage><x/></peerstage>"), false},
        Case{"two_sections_of_our_own_are_refused", document("<purge/><peerstage/><peerstage/>"), false},
        Case{"empty_elements_of_our_own_are_absent",
             document("<purge/><peerstage><ssh><port/><ciphers/></ssh></peerstage>"), true}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Load, NamesAFileThatCannotBeOpened) {
  const LoadResult result = load("/nonexistent/cback.conf", StartedAs::root);
  EXPECT_FALSE(result.config);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].text(), "/nonexistent/cback.conf: cannot open it: No such file or directory");
}

}  // namespace
}  // namespace peerstage::config
