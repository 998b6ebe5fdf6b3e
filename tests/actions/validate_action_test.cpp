#include "daemon/actions/validate_action.h"

#include <filesystem>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"
#include "daemon/user.h"
#include "tests/daemon/watched_screen.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// A machine on which everything is as the configuration says; each test breaks one thing.
class ValidateAction : public testing::Test {
 protected:
  ValidateAction() {
    fs::permissions(directory_.path(), fs::perms(0755));
    for (const char* name : {"work", "collect", "staging", "data", "peer", "media"})
      fs::create_directory(directory_ / name);
    directory_.write("file", "f");
    program("hook");
    command_.log.path = directory_ / "log/log";
    fs::create_directory(directory_ / "log");
    sections_["reference"] = "<author>x</author>";
    sections_["peers"] = local_peer(directory_ / "peer");
    sections_["collect"] = "<collect_dir>" + (directory_ / "collect") +
                           "</collect_dir><collect_mode>daily</collect_mode><archive_mode>tar</archive_mode>"
                           "<ignore_file>.i</ignore_file><file><abs_path>" +
                           (directory_ / "file") + "</abs_path></file><dir><abs_path>" +
                           (directory_ / "data") + "</abs_path></dir>";
    sections_["stage"] = "<staging_dir>" + (directory_ / "staging") + "</staging_dir>";
    sections_["purge"] =
        "<dir><abs_path>" + (directory_ / "staging") + "</abs_path><retain_days>7</retain_days></dir>";
    sections_["peerstage"] = "<staging><minimum_free>0</minimum_free></staging>";
  }

  static std::string local_peer(const std::string& collect_dir) {
    return "<peer><name>near</name><type>local</type><collect_dir>" + collect_dir + "</collect_dir></peer>";
  }
  static std::string remote_peer(const std::string& more) {
    return "<peer><name>far</name><type>remote</type><collect_dir>/x</collect_dir>" + more + "</peer>";
  }
  std::string program(const std::string& name) const {
    std::string path = directory_.write(name, "#!/bin/sh\n");
    fs::permissions(path, fs::perms(0755));
    return path;
  }

  json validate() {
    std::string text =
        "<cb_config><options><starting_day>monday</starting_day><working_dir>" + (directory_ / "work") +
        "</working_dir><backup_user>" + user_ + "</backup_user><backup_group>" + group_ +
        "</backup_group><rcp_command>/usr/bin/scp -B</rcp_command>" + options_ + "</options>\n";
    for (const auto& [name, content] : sections_) text += "<" + name + ">" + content + "</" + name + ">\n";
    const std::string file = directory_.write("cback.conf", text + "</cb_config>\n");
    const auto loaded = config::load(file, started_as());
    EXPECT_TRUE(loaded.config) << (loaded.findings.empty() ? "" : loaded.findings[0].text());
    Log log(command_.log, screen_.screen(), std::nullopt);
    const auto before = traces();
    result_ = validate_action({*loaded.config, command_, log, screen_.screen()});
    EXPECT_EQ(traces(), before);
    return json::parse(result_.json);
  }
  /// Everything that writing leaves behind.
  std::set<std::string> traces() const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      if (entry.path().parent_path().filename() == "log") continue;
      struct stat status {};
      ::lstat(entry.path().c_str(), &status);
      found.insert(entry.path().string() + " " + std::to_string(status.st_mtim.tv_sec) + "." +
                   std::to_string(status.st_mtim.tv_nsec) + " " + std::to_string(status.st_ctim.tv_nsec));
    }
    return found;
  }
  static std::vector<std::string> sentences(const json& document, const char* severity) {
    std::vector<std::string> found;
    for (const json& each : document["findings"]) {
      if (each["severity"] == severity)
        found.push_back(each["element"].get<std::string>() + ": " + each["message"].get<std::string>());
    }
    return found;
  }
  /// Exactly this one thing is wrong.
  void expect_error(const std::string& element, const std::string& words) {
    const json document = validate();
    EXPECT_EQ(result_.code, ExitCode::configuration);
    EXPECT_FALSE(document["valid"]);
    EXPECT_THAT(sentences(document, "error"),
                testing::ElementsAre(AllOf(HasSubstr(element), HasSubstr(words))))
        << document;
  }
  void expect_warning(const std::string& words) {
    const json document = validate();
    EXPECT_EQ(result_.code, ExitCode::ok) << document;
    EXPECT_TRUE(document["valid"]);
    EXPECT_THAT(sentences(document, "warning"), Contains(HasSubstr(words)));
  }

  const test::TemporaryDirectory directory_;
  RunCommand command_;
  std::map<std::string, std::string> sections_;
  std::string options_;
  // As root the one whom Debian has for this; it must not be root, who may do everything.
  std::string user_ = ::geteuid() == 0 ? "backup" : calling_user().name;
  std::string group_ = ::geteuid() == 0 ? "backup" : std::string(group_of_caller());
  ActionResult result_;

 private:
  static std::string group_of_caller();
  WatchedScreen screen_{WatchedScreen::Kind::pipe};
};

std::string ValidateAction::group_of_caller() {
  for (const char* name : {"users", "nogroup"}) {
    try {
      look_up_group(name, "", "");
      return name;
    } catch (const std::exception&) {
      continue;
    }
  }
  return "root";
}

TEST_F(ValidateAction, finds_nothing_where_all_is_well) {
  if (::geteuid() == 0) {
    const User backup = look_up_user("backup", "backup");
    ASSERT_EQ(::chown((directory_ / "staging").c_str(), backup.uid, backup.gid), 0);
  }
  const json document = validate();
  EXPECT_EQ(result_.code, ExitCode::ok);
  EXPECT_EQ(document, json::parse(R"({"valid": true, "findings": []})"));
  EXPECT_THAT(result_.table, HasSubstr("is valid"));
}

TEST_F(ValidateAction, tells_as_a_table_and_in_the_log_what_is_wrong) {
  fs::remove(directory_ / "work");
  validate();
  EXPECT_THAT(result_.table,
              AllOf(HasSubstr("error: "), HasSubstr(directory_ / "work"), HasSubstr("not valid")));
  EXPECT_THAT(test::read_text(*command_.log.path), HasSubstr("[ERROR  ]"));
}

TEST_F(ValidateAction, missing_reference_is_a_warning) {
  sections_.erase("reference");
  expect_warning("no reference section");
}

struct BrokenCase {
  const char* name;
  const char* removed;
  const char* element;
  const char* words;
};

class BrokenMachine : public ValidateAction, public testing::WithParamInterface<BrokenCase> {};

TEST_P(BrokenMachine, is_found) {
  sections_["purge"] =
      "<dir><abs_path>" + (directory_ / "media") + "</abs_path><retain_days>7</retain_days></dir>";
  const std::string path = directory_ / GetParam().removed;
  fs::remove(path);
  expect_error(GetParam().element, GetParam().words);
  if (fs::path(path).filename() == "file") return;
  directory_.write(GetParam().removed, "a file in its place");
  expect_error(GetParam().element, "is not a directory");
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, BrokenMachine,
    testing::Values(BrokenCase{"working_dir", "work", "options/working_dir", "does not exist"},
                    BrokenCase{"collect_dir", "collect", "collect/collect_dir", "does not exist"},
                    BrokenCase{"collected_file", "file", "collect/file", "does not exist"},
                    BrokenCase{"collected_dir", "data", "collect/dir", "does not exist"},
                    BrokenCase{"staging_dir", "staging", "stage/staging_dir", "does not exist"},
                    BrokenCase{"peer", "peer", "peers/peer", "local peer near"},
                    BrokenCase{"purge", "media", "purge/dir", "does not exist"}),
    case_name);

TEST_F(ValidateAction, directory_is_no_file_to_collect) {
  fs::remove(directory_ / "file");
  fs::create_directory(directory_ / "file");
  expect_error("collect/file", "is neither a regular file nor a link");
}

TEST_F(ValidateAction, link_is_collected_wherever_it_leads) {
  for (const char* target : {"nowhere", "data"}) {
    fs::remove(directory_ / "file");
    fs::create_symlink(target, directory_ / "file");
    EXPECT_THAT(sentences(validate(), "error"), testing::IsEmpty()) << target;
  }
}

TEST_F(ValidateAction, knows_what_an_ordinary_user_may_not) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may do everything";
  fs::permissions(directory_ / "collect", fs::perms(0555));
  expect_error("collect/collect_dir", "cannot be written to");
  fs::permissions(directory_ / "collect", fs::perms(0755));
  fs::permissions(directory_ / "file", fs::perms(0));
  expect_error("collect/file", "cannot be read");
}

TEST_F(ValidateAction, staging_dir_that_is_closed_to_the_backup_user_is_a_warning_for_root) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  expect_warning("as the backup user backup, the staging directory " + (directory_ / "staging") +
                 " cannot be written to");
}

TEST_F(ValidateAction, full_staging_file_system_is_an_error) {
  sections_["peerstage"] = "<staging><minimum_free>99.999%</minimum_free></staging>";
  const json document = validate();
  EXPECT_THAT(sentences(document, "error"), Contains(HasSubstr("too full")));
}

TEST_F(ValidateAction, unknown_user_and_group_are_errors) {
  user_ = "no-such-user";
  EXPECT_THAT(sentences(validate(), "error"), Contains(HasSubstr("no-such-user does not exist")));
  user_ = calling_user().name;
  group_ = "no-such-group";
  EXPECT_THAT(sentences(validate(), "error"), Contains(HasSubstr("no-such-group does not exist")));
}

TEST_F(ValidateAction, peers_of_both_sections_are_looked_at) {
  sections_["peers"] = local_peer(directory_ / "gone1");
  sections_["stage"] += local_peer(directory_ / "gone2");
  const json document = validate();
  EXPECT_THAT(sentences(document, "error"),
              AllOf(Contains(HasSubstr("gone1")), Contains(HasSubstr("gone2"))));
}

TEST_F(ValidateAction, programs_of_hooks_must_be_there) {
  options_ = "<pre_action_hook><action>collect</action><command>" + (directory_ / "hook") +
             " \"a b\"</command></pre_action_hook>"
             "<post_action_hook><action>stage</action><command>sh -c true</command></post_action_hook>"
             "<post_action_hook><command>/never/runs</command></post_action_hook>";
  validate();
  EXPECT_THAT(sentences(json::parse(result_.json), "error"), IsEmpty());
  fs::permissions(directory_ / "hook", fs::perms(0644));
  expect_error("options/pre_action_hook", "cannot be run");
  fs::permissions(directory_ / "hook", fs::perms(0755));
  options_ = "<pre_action_hook><action>collect</action></pre_action_hook>";
  expect_error("options/pre_action_hook", "has no command");
  options_ =
      "<post_action_hook><action>collect</action><command>no-such-program-anywhere</command></"
      "post_action_hook>";
  expect_error("options/post_action_hook", "PATH");
}

TEST_F(ValidateAction, programs_of_extensions_must_be_there_and_python_is_a_warning) {
  const std::string begin =
      "<action><name>dump</name><module>a</module><function>b</function><index>50</index>";
  sections_["extensions"] = begin + "</action>";
  expect_warning("the action dump is a Python function");
  sections_["extensions"] = begin + "<command>" + (directory_ / "hook") + "</command></action>";
  EXPECT_THAT(sentences(validate(), "error"), IsEmpty());
  fs::permissions(directory_ / "hook", fs::perms(0644));
  expect_error("extensions/action", "cannot be run");
}

TEST_F(ValidateAction, store_is_looked_at_for_the_sake_of_cback3) {
  sections_["store"] = "<source_dir>" + (directory_ / "gone") +
                       "</source_dir><media_type>cdr-74</media_type><target_device>" +
                       (directory_ / "no-device") + "</target_device>";
  expect_error("store/source_dir", "does not exist");
}

TEST_F(ValidateAction, daemon_needs_its_directories_and_programs) {
  const auto daemon = [&](const std::string& catalog, const std::string& notify) {
    sections_["peerstage"] =
        "<staging><minimum_free>0</minimum_free></staging><daemon><job><name>n</name><schedule>@daily</"
        "schedule>"
        "<actions>stage</actions></job><catalog>" +
        catalog + "</catalog><control_socket>" + (directory_ / "work/s") + "</control_socket>" + notify +
        "</daemon>";
  };
  daemon(directory_ / "missing/catalog.db", "");
  expect_warning("missing of the catalog does not exist");
  daemon(directory_ / "file/catalog.db", "");
  expect_error("peerstage/daemon/catalog", "is not a directory");
  daemon(directory_ / "work/catalog.db", "<notify><command>" + (directory_ / "gone") + "</command></notify>");
  const json document = validate();
  EXPECT_THAT(sentences(document, "error"), Contains(HasSubstr("gone of a notification does not exist")));
}

/// A remote peer whose files are all its own.
class ValidateRemotePeer : public ValidateAction {
 protected:
  ValidateRemotePeer() {
    fs::permissions(directory_ / "file", fs::perms(0644));
    key(0600);
    directory_.write(
        "known_hosts",
        "far ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKzW8dWGUhY1A8mOEYsF9kFBqTBtS3nSHYSR9QVp1L\n");
    ssh();
    sections_["peers"] = remote_peer("");
  }
  void key(unsigned mode) const {
    directory_.write("key", "secret");
    fs::permissions(directory_ / "key", fs::perms(mode));
    if (::geteuid() == 0) {
      const User backup = look_up_user("backup", "backup");
      EXPECT_EQ(::chown((directory_ / "key").c_str(), backup.uid, backup.gid), 0);
      EXPECT_EQ(::chown((directory_ / "staging").c_str(), backup.uid, backup.gid), 0);
    }
  }
  void ssh(const std::string& more = "") {
    sections_["peerstage"] = "<staging><minimum_free>0</minimum_free></staging><ssh><identity_file>" +
                             (directory_ / "key") + "</identity_file><known_hosts>" +
                             (directory_ / "known_hosts") + "</known_hosts><config_file>none</config_file>" +
                             more + "</ssh>";
  }
};

TEST_F(ValidateRemotePeer, that_can_be_reached_as_far_as_files_say_is_fine) {
  const json document = validate();
  EXPECT_EQ(result_.code, ExitCode::ok) << document;
  EXPECT_THAT(sentences(document, "error"), IsEmpty());
}

TEST_F(ValidateRemotePeer, without_its_key_is_an_error) {
  fs::remove(directory_ / "key");
  expect_error("peers/peer", "the key " + (directory_ / "key") + " does not exist");
}

TEST_F(ValidateRemotePeer, whose_key_others_can_read_is_an_error) {
  key(0644);
  expect_error("peers/peer", directory_ / "key");
}

TEST_F(ValidateRemotePeer, whose_key_the_backup_user_cannot_read_is_an_error) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::chown((directory_ / "key").c_str(), 0, 0), 0);
  expect_error("peers/peer", "Permission denied");
}

TEST_F(ValidateRemotePeer, that_is_not_known_is_an_error_unless_it_may_be_learnt) {
  directory_.write(
      "known_hosts",
      "other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKzW8dWGUhY1A8mOEYsF9kFBqTBtS3nSHYSR9QVp1L\n");
  expect_error("peers/peer", "run peerstage trust far");
  ssh("<host_key_policy>accept-new</host_key_policy>");
  EXPECT_THAT(sentences(validate(), "error"), IsEmpty());
}

TEST_F(ValidateRemotePeer, of_the_peers_section_is_looked_at_also_when_stage_has_others) {
  fs::remove(directory_ / "known_hosts");
  sections_["stage"] += local_peer(directory_ / "peer");
  expect_error("peers/peer", "no host key of far");
}

}  // namespace
}  // namespace peerstage::daemon
