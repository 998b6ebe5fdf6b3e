#include "peers/collect/markers.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "peers/failure.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::peers::collect {
namespace {

TEST(CollectMarker, IsNotThereWhenItCouldNotBeGivenToItsOwner) {
  const test::TemporaryDirectory temporary;
  std::filesystem::permissions(temporary.path(), std::filesystem::perms::all);
  const auto directory = staging::Directory::open(temporary.path().string());
  // Who is not root gives nothing to root.
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  EXPECT_THROW(write_collect_marker(directory, staging::Ownership{0, 0}), PeerError);
  EXPECT_FALSE(directory.find("cback.collect").has_value());
  EXPECT_NO_THROW(write_collect_marker(directory, std::nullopt));
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_TRUE(std::filesystem::exists(temporary / "cback.collect"));
}

}  // namespace
}  // namespace peerstage::peers::collect
