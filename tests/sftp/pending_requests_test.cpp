#include "peers/sftp/pending_requests.h"

#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

namespace peerstage::peers::sftp {
namespace {

TEST(PendingRequests, GiveEachRequestBackOnce) {
  PendingRequests pending;
  const std::uint32_t first = pending.add({.type = PacketType::open, .tag = 7, .sent = {}});
  const std::uint32_t second = pending.add({.type = PacketType::read, .tag = 8, .sent = {}});
  EXPECT_EQ(pending.size(), 2U);
  EXPECT_EQ(pending.settle(second)->tag, 8U);
  EXPECT_EQ(pending.settle(first)->type, PacketType::open);
  EXPECT_FALSE(pending.settle(first));
  EXPECT_FALSE(pending.settle(second));
  EXPECT_EQ(pending.size(), 0U);
}

TEST(PendingRequests, DoNotKnowAnIdThatWasNeverGiven) {
  PendingRequests pending;
  EXPECT_FALSE(pending.settle(0));
  const std::uint32_t id = pending.add({});
  EXPECT_FALSE(pending.settle(id + 1));
  EXPECT_FALSE(pending.settle(id + PendingRequests::capacity));
  EXPECT_FALSE(pending.settle(0xffffffff));
  EXPECT_TRUE(pending.settle(id));
}

TEST(PendingRequests, UseAPlaceAgainButNotItsId) {
  PendingRequests pending;
  std::set<std::uint32_t> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t id = pending.add({});
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_TRUE(pending.settle(id));
  }
  for (const std::uint32_t id : ids) EXPECT_FALSE(pending.settle(id));
}

TEST(PendingRequests, HoldNoMoreThanTheirCapacity) {
  PendingRequests pending;
  for (std::size_t i = 0; i < PendingRequests::capacity; ++i) pending.add({});
  EXPECT_THROW(pending.add({}), std::logic_error);
}

}  // namespace
}  // namespace peerstage::peers::sftp
