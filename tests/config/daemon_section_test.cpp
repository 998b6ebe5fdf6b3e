#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/crontab.h"
#include "config/load.h"
#include "config/stage_plan.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

std::string document(const std::string& own, const std::string& groups_of_peers = "") {
  return "<cb_config><options><starting_day>monday</starting_day><working_dir>/w</working_dir>"
         "<backup_user>u</backup_user><backup_group>g</backup_group><rcp_command>scp</rcp_command></options>"
         "<stage><staging_dir>/s</staging_dir><peer><name>a</name><type>local</type><collect_dir>/c</"
         "collect_dir>" +
         groups_of_peers + "</peer></stage><peerstage>" + own + "</peerstage></cb_config>";
}

LoadResult load_text(const std::string& text, StartedAs started_as = StartedAs::user) {
  const test::TemporaryDirectory directory;
  return load(directory.write("cback.conf", text), started_as);
}

std::optional<Daemon> daemon_of(const std::string& elements) {
  const LoadResult loaded = load_text(document(elements));
  for (const Finding& finding : loaded.findings)
    if (finding.severity == Severity::error) ADD_FAILURE() << finding.text();
  return loaded.config ? loaded.config->peerstage.daemon : std::nullopt;
}

TEST(DaemonSection, IsAbsentWhereItIsNotThere) {
  EXPECT_FALSE(daemon_of(""));
  EXPECT_FALSE(daemon_of("<staging/>"));
}

TEST(DaemonSection, HasTheDefaultsThatAreDocumented) {
  const auto daemon = daemon_of(
      "<daemon><job><name>nightly</name><schedule>30 2 * * *</schedule><actions>stage</actions></job>"
      "<notify><mailto>root</mailto></notify></daemon>");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->catalog, "/var/lib/peerstage/catalog.db");
  EXPECT_EQ(daemon->control_socket, "/run/peerstage/control.sock");
  EXPECT_EQ(daemon->control_group, std::nullopt);
  EXPECT_EQ(daemon->metrics_file, std::nullopt);
  EXPECT_EQ(daemon->stale_after, hours(36));
  ASSERT_EQ(daemon->jobs.size(), 1U);
  const Job& job = daemon->jobs[0];
  EXPECT_EQ(job.name, "nightly");
  EXPECT_EQ(job.schedule, as_crontab_rule("30 2 * * *"));
  EXPECT_EQ(job.actions, std::vector<std::string>{"stage"});
  EXPECT_FALSE(job.full);
  EXPECT_FALSE(job.managed);
  EXPECT_EQ(job.random_delay, minutes(0));
  EXPECT_TRUE(job.catch_up);
  EXPECT_TRUE(job.not_between.empty());
  EXPECT_EQ(job.element, "peerstage/daemon/job[1]");
  ASSERT_EQ(daemon->notify.size(), 1U);
  EXPECT_EQ(daemon->notify[0].on, std::vector<NotifyOn>{NotifyOn::failure});
}

TEST(DaemonSection, TakesWhatIsWritten) {
  const auto daemon = daemon_of(
      "<daemon><job><name>j</name><schedule>@daily</schedule><actions>stage , stage</actions><full>Y</full>"
      "<random_delay>90s</random_delay><catch_up>N</catch_up><not_between>08:00-12:00</not_between>"
      "<not_between>22:00-24:00</not_between></job><catalog>/c</catalog><control_socket>/s</control_socket>"
      "<control_group>adm</control_group><metrics_file>/m</metrics_file><stale_after>2d</stale_after>"
      "<notify><on>stale,failure,stale</on><command>/bin/tell</command></notify>"
      "<notify><on>always</on><url>http://[::1]:8080/x</url></notify></daemon>");
  ASSERT_TRUE(daemon);
  ASSERT_EQ(daemon->jobs.size(), 1U);
  const Job& job = daemon->jobs[0];
  EXPECT_EQ(job.actions, std::vector<std::string>{"stage"});
  EXPECT_TRUE(job.full);
  EXPECT_EQ(job.random_delay, std::chrono::seconds(90));
  EXPECT_FALSE(job.catch_up);
  EXPECT_EQ(job.not_between, (std::vector<TimeWindow>{{hours(8), hours(12)}, {hours(22), hours(0)}}));
  EXPECT_EQ(daemon->catalog, "/c");
  EXPECT_EQ(daemon->control_socket, "/s");
  EXPECT_EQ(daemon->control_group, "adm");
  EXPECT_EQ(daemon->metrics_file, "/m");
  EXPECT_EQ(daemon->stale_after, hours(48));
  ASSERT_EQ(daemon->notify.size(), 2U);
  EXPECT_EQ(daemon->notify[0].on, (std::vector<NotifyOn>{NotifyOn::stale, NotifyOn::failure}));
  EXPECT_EQ(daemon->notify[0].way, Notify::Way::command);
  EXPECT_EQ(daemon->notify[0].target, "/bin/tell");
  EXPECT_EQ(daemon->notify[1].way, Notify::Way::url);
  EXPECT_EQ(daemon->notify[1].target, "http://[::1]:8080/x");
}

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can own a program, so only root can test who else may";
  }

  /// The errors of a configuration that tells this program, found by a program started as root.
  static std::vector<std::string> errors(const std::string& program, StartedAs started_as = StartedAs::root) {
    std::vector<std::string> messages;
    for (const Finding& finding :
         load_text(document("<daemon>\n<notify><command>" + program + "</command></notify></daemon>"),
                   started_as)
             .findings)
      if (finding.severity == Severity::error)
        messages.push_back(std::to_string(finding.line) + " " + finding.element + ": " + finding.message);
    return messages;
  }

  const test::TemporaryDirectory directory_;
  const std::string program_ = directory_.write("bin/tell", "#!/bin/sh\n");
  const std::string place_ = "2 peerstage/daemon/notify[1]/command: ";
  const std::string moral_ =
      ": whoever can change this program could do anything as root; give it to root alone";
};

TEST_F(Commands, AreFineWhereRootAloneCanChangeThem) {
  ASSERT_EQ(::chmod(program_.c_str(), 0755), 0);
  EXPECT_EQ(errors(program_), std::vector<std::string>{});
}

TEST_F(Commands, AreRefusedWhereOthersCanWriteThem) {
  ASSERT_EQ(::chmod(program_.c_str(), 0775), 0);
  EXPECT_EQ(errors(program_),
            std::vector<std::string>{place_ + program_ + " is writable by others than root" + moral_});
  EXPECT_EQ(errors(program_, StartedAs::user), std::vector<std::string>{})
      << "they run with the caller's own rights";
}

TEST_F(Commands, AreRefusedWhereOthersCanReplaceThem) {
  const std::string above = directory_ / "bin";
  ASSERT_EQ(::chown(above.c_str(), 1, 1), 0);
  EXPECT_EQ(errors(program_),
            std::vector<std::string>{place_ + above + " belongs to user 1, not to root" + moral_});
}

TEST_F(Commands, ThatAreNotThereAreAWarning) {
  const std::string missing = directory_ / "none/tell";
  const LoadResult loaded = load_text(
      document("<daemon>\n<notify><command>" + missing + "</command></notify></daemon>"), StartedAs::root);
  EXPECT_TRUE(loaded.config);
  ASSERT_EQ(loaded.findings.size(), 2U);
  EXPECT_EQ(loaded.findings[1].severity, Severity::warning);
  EXPECT_EQ(loaded.findings[1].message,
            "cannot look at " + (directory_ / "none") + ": No such file or directory");
}

TEST_F(Commands, ThatAreNotThereAreRefusedWhereOthersCouldPutThemThere) {
  ASSERT_EQ(::chmod((directory_ / "bin").c_str(), 0777), 0);
  const std::string missing = directory_ / "bin/none/tell";
  EXPECT_EQ(errors(missing), std::vector<std::string>{place_ + (directory_ / "bin") +
                                                      " is writable by others than root" + moral_});
}

TEST(Groups, HaveTheirLimitsInThePlan) {
  const auto limits = [](const std::string& groups, const std::string& of_peer) {
    const LoadResult loaded = load_text(document(groups, of_peer));
    std::vector<Finding> findings;
    const auto plan = loaded.config ? plan_stage(*loaded.config, findings) : std::nullopt;
    return plan ? plan->group_limits : std::map<std::string, unsigned>{{"no plan", 0}};
  };
  using Limits = std::map<std::string, unsigned>;
  const std::string in_rack = "<group>rack</group>";
  EXPECT_EQ(limits("", ""), Limits{});
  EXPECT_EQ(limits("", in_rack), (Limits{{"rack", 1}}));
  EXPECT_EQ(limits("<group><name>rack</name></group>", in_rack), (Limits{{"rack", 1}}));
  EXPECT_EQ(
      limits(
          "<group><name>x</name></group><group><name>rack</name><parallel_peers>3</parallel_peers></group>",
          in_rack),
      (Limits{{"rack", 3}}));
}

TEST(DaemonSection, AJobMayCollectStageAndPurgeInThatOrder) {
  const auto daemon = daemon_of(
      "<daemon><job><name>j</name><schedule>@daily</schedule><actions>purge, collect, stage</actions>"
      "<managed>Y</managed></job></daemon>");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->jobs.at(0).actions, (std::vector<std::string>{"collect", "stage", "purge"}));
  EXPECT_TRUE(daemon->jobs.at(0).managed);
}

}  // namespace
}  // namespace peerstage::config
