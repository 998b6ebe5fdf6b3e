#include <memory>

#include <gmock/gmock.h>

#include "peers/staging/staging_area.h"
#include "purge_fixture.h"

namespace peerstage::peers::purge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Names = std::set<std::string>;

/// `top` is a staging directory.
class StagingPurgeTest : public PurgeTest {
 protected:
  StagingPurgeTest() { options.staging_dir = top; }

  /// A run that holds the lock as long as it is kept.
  staging::StagingArea run_at_work() const {
    auto area = staging::StagingArea::open(top, std::nullopt, staging::RunMode::real);
    EXPECT_TRUE(area.try_lock());
    return area;
  }
};

TEST_F(StagingPurgeTest, days_go_with_their_months_and_years) {
  file("2025/12/31/web1/etc.tar", 40 * day);
  file("2025/12/31/web1/cback.sha256", 40 * day);
  file("2025/12/31/cback.stage", 40 * day);
  file("2026/01/30/web1/etc.tar", 9 * day);
  file("2026/02/01/web1/etc.tar", 6 * day);
  run(7);
  EXPECT_EQ(tree(), (Names{"2026", "2026/02", "2026/02/01", "2026/02/01/web1", "2026/02/01/web1/etc.tar"}));
}

TEST_F(StagingPurgeTest, what_is_ours_is_never_touched) {
  file(".peerstage/.lock", 90 * day);
  file(".peerstage/web1/data", 90 * day);
  set_age(top + "/.peerstage/web1", 90 * day);
  file("2026/.peerstage/is not ours", 90 * day);
  const Names ours{".peerstage", ".peerstage/.lock", ".peerstage/web1", ".peerstage/web1/data"};
  run(0);
  EXPECT_EQ(tree(), ours);
  run({{temporary.path().string(), 0}});
  EXPECT_EQ(tree(), ours);
}

TEST_F(StagingPurgeTest, purge_of_what_is_ours_is_refused) {
  file(".peerstage/web1/data", 90 * day);
  const PurgeReport report = run({{top + "/.peerstage/web1", 0}});
  EXPECT_THAT(report.directories.at(0).failures, ElementsAre(HasSubstr("refused")));
  EXPECT_TRUE(fs::exists(top + "/.peerstage/web1/data"));
}

TEST_F(StagingPurgeTest, day_that_a_run_has_made_stays_until_the_run_is_over) {
  auto area = std::make_unique<staging::StagingArea>(run_at_work());
  for (const char* name : {"2026/11/20", "2026/11", "2026"}) directory(name, 9 * day);
  file("2026/10/01/web1/etc.tar", 30 * day);
  run(7);
  EXPECT_EQ(tree(), (Names{".peerstage", ".peerstage/.lock", "2026", "2026/11", "2026/11/20"}));
  area.reset();
  for (const char* name : {"2026/11/20", "2026/11", "2026"}) set_age(top + "/" + name, 9 * day);
  run(7);
  EXPECT_EQ(tree(), (Names{".peerstage", ".peerstage/.lock"}));
}

TEST_F(StagingPurgeTest, tree_of_a_publication_stays_until_the_run_is_over) {
  auto area = std::make_unique<staging::StagingArea>(run_at_work());
  const std::string built = file("2026/11/20/cback.peerstage.web1/etc.tar", 9 * day);
  // Elsewhere the name means nothing.
  file("2026/11/20/web1/cback.peerstage.x", 9 * day);
  run(7);
  EXPECT_TRUE(fs::exists(built));
  EXPECT_FALSE(fs::exists(top + "/2026/11/20/web1"));
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("a stage run is at work")));
  area.reset();
  run(7);
  EXPECT_FALSE(fs::exists(top + "/2026"));
}

TEST_F(StagingPurgeTest, depth_is_known_wherever_the_purge_begins) {
  const auto area = run_at_work();
  const std::string built = file("2026/11/20/cback.peerstage.web1/etc.tar", 9 * day);
  run({{top + "/2026/11", 7}, {temporary.path().string(), 7}});
  EXPECT_TRUE(fs::exists(built));
}

TEST_F(StagingPurgeTest, purge_takes_no_lock_and_leaves_no_trace) {
  file("2026/11/20/web1/etc.tar", 1 * day);
  const Names before = tree();
  run(7);
  EXPECT_EQ(tree(), before);
  const auto area = run_at_work();
  run(7);
  EXPECT_THAT(observer.errors, IsEmpty());
}

}  // namespace
}  // namespace peerstage::peers::purge
