#include "peers/local_peer.h"

#include <filesystem>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "peers/staging/staging_area.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers {
namespace {

namespace fs = std::filesystem;

class Silence final : public Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel, const std::string&) override {}
};

class LocalPeerTest : public testing::Test {
 protected:
  LocalPeerTest() {
    fs::create_directories(temporary / "pool/staging/2020");
    fs::create_directories(temporary / "pool/staging-not");
    fs::create_symlink(temporary / "pool/staging", temporary / "link");
  }

  Outcome<StagedTree> stage(const std::string& collect_dir, const std::string& staging_dir) {
    staging::StageOptions options;
    options.minimum_free = config::ByteCount{0};
    LocalPeer peer({"web1", temporary / collect_dir, std::nullopt, options});
    auto area = staging::StagingArea::open(temporary / staging_dir, std::nullopt, staging::RunMode::real);
    area.open_day({std::chrono::year(2026), std::chrono::month(11), std::chrono::day(20)});
    auto place = area.place("web1");
    Silence silence;
    return peer.stage(place, silence);
  }

  test::TemporaryDirectory temporary;
};

struct Overlap {
  const char* name;
  const char* collect_dir;
  const char* staging_dir;
};

class LocalPeerOverlap : public LocalPeerTest, public testing::WithParamInterface<Overlap> {};

TEST_P(LocalPeerOverlap, IsRefusedBeforeAnythingIsStaged) {
  const auto outcome = stage(GetParam().collect_dir, GetParam().staging_dir);
  const auto* failure = std::get_if<Failure>(&outcome);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->kind, FailureKind::permanent);
  EXPECT_THAT(failure->message, testing::HasSubstr("inside of the other"));
  EXPECT_FALSE(fs::exists(temporary / "pool/staging/2026/11/20/web1"));
}

INSTANTIATE_TEST_SUITE_P(, LocalPeerOverlap,
                         testing::Values(Overlap{"TheSame", "pool/staging", "pool/staging"},
                                         Overlap{"CollectInStaging", "pool/staging/2020", "pool/staging"},
                                         Overlap{"StagingInCollect", "pool", "pool/staging"},
                                         Overlap{"BehindALink", "link/2020", "pool/staging"},
                                         Overlap{"StagingBehindALink", "pool", "link"}),
                         [](const auto& overlap) { return overlap.param.name; });

TEST_F(LocalPeerTest, DirectoriesApartAreStagedWhateverTheirNamesHaveInCommon) {
  EXPECT_TRUE(std::holds_alternative<StagedTree>(stage("pool/staging-not", "pool/staging")));
}

}  // namespace
}  // namespace peerstage::peers
