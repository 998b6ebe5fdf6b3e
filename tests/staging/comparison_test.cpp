#include "peers/staging/comparison.h"

#include <functional>

#include <gtest/gtest.h>

#include "peers/failure.h"

namespace peerstage::peers::staging {
namespace {

const Digest sum = Digest::from_hex(std::string(64, '1')).value();
const Digest other_sum = Digest::from_hex(std::string(64, '2')).value();
constexpr auto time = std::chrono::seconds(1'600'000'000);

/// One file, staged and unchanged, and what may be wrong with it.
struct World {
  Survey survey{{{RelativePath::parse("d/a"), 5, time, 0644}}, {{RelativePath::parse("d"), 0755}}, {}, {}};
  HeldTree held{{{"d/a", {HeldFile::Type::regular, 5, SourceTag{5, time, sum}, sum}}}, {{"d", 0755}}, ""};
  std::optional<Manifest> peers_manifest;
  std::set<std::string> distrusted;

  SourceFile& source() { return survey.files.front(); }
  HeldFile& staged() { return held.files.at("d/a"); }
};

enum class Expected { kept, fetched, new_directory, refused };

struct Case {
  const char* name;
  std::function<void(World&)> change;
  Expected expected;
};

class Comparisons : public ::testing::TestWithParam<Case> {};

TEST_P(Comparisons, decide) {
  World world;
  GetParam().change(world);
  try {
    const Comparison result = compare(world.survey, world.held, world.peers_manifest, world.distrusted);
    EXPECT_NE(GetParam().expected, Expected::refused);
    EXPECT_EQ(result.fetch.size(), GetParam().expected == Expected::fetched ? 1U : 0U);
    EXPECT_EQ(result.kept.size(), GetParam().expected == Expected::fetched ? 0U : 1U);
    EXPECT_EQ(result.new_directories, GetParam().expected == Expected::new_directory);
  } catch (const PeerError& error) {
    EXPECT_EQ(GetParam().expected, Expected::refused);
    EXPECT_EQ(error.kind(), FailureKind::permanent);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, Comparisons,
    ::testing::Values(
        Case{"unchanged", [](World&) {}, Expected::kept},
        Case{"mode_of_source_changed", [](World& w) { w.source().permissions = 0600; }, Expected::kept},
        Case{"source_grew", [](World& w) { w.source().size = 6; }, Expected::fetched},
        Case{"source_is_newer", [](World& w) { w.source().modified += std::chrono::nanoseconds(1); },
             Expected::fetched},
        Case{"source_is_older", [](World& w) { w.source().modified -= std::chrono::hours(1); },
             Expected::fetched},
        Case{"staged_file_missing", [](World& w) { w.held.files.clear(); }, Expected::fetched},
        Case{"staged_file_truncated", [](World& w) { w.staged().size = 4; }, Expected::fetched},
        Case{"no_tag", [](World& w) { w.staged().tag.reset(); }, Expected::fetched},
        Case{"not_in_manifest", [](World& w) { w.staged().sum.reset(); }, Expected::fetched},
        Case{"manifest_says_otherwise", [](World& w) { w.staged().sum = other_sum; }, Expected::fetched},
        Case{"peer_agrees",
             [](World& w) {
               w.peers_manifest = Manifest{{"d/a", sum}};
             },
             Expected::kept},
        Case{"peer_does_not_name_it",
             [](World& w) {
               w.peers_manifest = Manifest{{"x", other_sum}};
             },
             Expected::kept},
        Case{"peer_says_otherwise",
             [](World& w) {
               w.peers_manifest = Manifest{{"d/a", other_sum}};
             },
             Expected::fetched},
        Case{"distrusted", [](World& w) { w.distrusted = {"d/a"}; }, Expected::fetched},
        Case{"gone_at_the_peer_is_kept_silently", [](World& w) { w.held.files["gone"] = w.staged(); },
             Expected::kept},
        Case{"new_directory",
             [](World& w) {
               w.survey.directories.push_back({RelativePath::parse("e"), 0755});
             },
             Expected::new_directory},
        Case{"file_becomes_directory",
             [](World& w) {
               w.held.files["e"] = w.staged();
               w.survey.directories.push_back({RelativePath::parse("e"), 0755});
             },
             Expected::refused},
        Case{"directory_becomes_file", [](World& w) { w.held.directories["d/a"] = 0755; }, Expected::refused},
        Case{"link_in_the_way", [](World& w) { w.staged().type = HeldFile::Type::other; },
             Expected::refused}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace peerstage::peers::staging
