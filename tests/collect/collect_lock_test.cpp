#include "peers/collect/collect_lock.h"

#include <chrono>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/collect/collect.h"
#include "tests/collect/collect_fixture.h"
#include "tests/support/text_file.h"

namespace peerstage::peers::collect {
namespace {

using namespace std::chrono_literals;

class CollectLockTest : public CollectTest {
 protected:
  CollectLock lock(std::chrono::milliseconds patience,
                   const std::optional<staging::Ownership>& owner = std::nullopt) const {
    return {staging::Directory::open(plan_.collect_dir), staging::Directory::open(plan_.working_dir), owner,
            patience};
  }
  struct stat status_of_file() const {
    struct stat status {};
    EXPECT_EQ(::lstat(in_working("peerstage.lock").c_str(), &status), 0);
    return status;
  }
};

TEST_F(CollectLockTest, CollectWaitsForAPurgeThatHoldsItForAMoment) {
  add("");
  std::optional<CollectLock> purge = lock(0ms);
  std::thread release([&purge] {
    std::this_thread::sleep_for(100ms);
    purge.reset();
  });
  collect_whole();
  release.join();
}

TEST_F(CollectLockTest, GivesUpAfterAWhile) {
  const CollectLock held = lock(0ms);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(lock(100ms), CollectIsLocked);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
}

TEST_F(CollectLockTest, FileThatRootHasMadeBelongsToTheOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  for (const uid_t uid : {0U, 1234U, 4321U}) {
    lock(0ms, staging::Ownership{uid, 77});
    EXPECT_EQ(status_of_file().st_uid, uid);
    EXPECT_EQ(status_of_file().st_gid, 77U);
  }
}

TEST_F(CollectLockTest, FileOfOthersIsNotGivenAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  test::write_file(data("of-root"), "");
  ASSERT_EQ(::link(data("of-root").c_str(), in_working("peerstage.lock").c_str()), 0);
  lock(0ms, staging::Ownership{1234, 77});
  EXPECT_EQ(status_of_file().st_uid, 0U);
}

}  // namespace
}  // namespace peerstage::peers::collect
