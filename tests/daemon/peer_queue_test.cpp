#include "daemon/peer_queue.h"

#include <gtest/gtest.h>

#include "daemon/places.h"

namespace peerstage::daemon {
namespace {

std::vector<std::size_t> take_all(PeerQueue& queue) {
  std::vector<std::size_t> taken;
  while (queue.has_next()) taken.push_back(queue.take());
  return taken;
}

TEST(PeerQueue, FirstComeFirstServed) {
  PeerQueue queue({"", "", ""}, {});
  for (const std::size_t peer : {2U, 0U, 1U}) queue.add(peer);
  EXPECT_EQ(take_all(queue), (std::vector<std::size_t>{2, 0, 1}));
}

TEST(PeerQueue, OthersGoPastAGroupThatIsFull) {
  PeerQueue queue({"rack", "rack", "", "rack", "vm", "vm", "vm"}, {{"vm", 2}});
  for (std::size_t peer = 0; peer < 7; ++peer) queue.add(peer);
  EXPECT_EQ(take_all(queue), (std::vector<std::size_t>{0, 2, 4, 5}));
}

TEST(PeerQueue, TheNextOfAGroupStartsWhenOneOfItIsDone) {
  PeerQueue queue({"rack", "rack", "rack", ""}, {});
  for (std::size_t peer = 0; peer < 4; ++peer) queue.add(peer);
  EXPECT_EQ(take_all(queue), (std::vector<std::size_t>{0, 3}));
  queue.give_back(3);
  EXPECT_FALSE(queue.has_next());
  queue.give_back(0);
  EXPECT_EQ(take_all(queue), (std::vector<std::size_t>{1}));
}

TEST(PeerQueue, OneThatComesAgainIsBehindTheOthers) {
  PeerQueue queue({"rack", "rack", "rack"}, {});
  for (std::size_t peer = 0; peer < 3; ++peer) queue.add(peer);
  EXPECT_EQ(queue.take(), 0U);
  queue.give_back(0);
  queue.add(0);
  std::vector<std::size_t> order;
  while (queue.has_next()) {
    order.push_back(queue.take());
    queue.give_back(order.back());
  }
  EXPECT_EQ(order, (std::vector<std::size_t>{1, 2, 0}));
}

TEST(PeerQueue, ALimitOfNoneWouldStarveAGroupAndIsTakenForOne) {
  PeerQueue queue({"rack"}, {{"rack", 0}});
  queue.add(0);
  EXPECT_EQ(take_all(queue), (std::vector<std::size_t>{0}));
}

TEST(PeerQueue, NobodyIsLeftWhenItIsCleared) {
  PeerQueue queue({"rack", "rack", ""}, {});
  for (std::size_t peer = 0; peer < 3; ++peer) queue.add(peer);
  EXPECT_EQ(queue.take(), 0U);
  queue.clear();
  queue.give_back(0);
  EXPECT_FALSE(queue.has_next());
}

struct PlacesCase {
  const char* name;
  unsigned parallel, running, stalled, free;
};

class FreePlaces : public testing::TestWithParam<PlacesCase> {};

TEST_P(FreePlaces, AreAsManyAs) {
  const PlacesCase& given = GetParam();
  EXPECT_EQ(free_places(given.parallel, given.running, given.stalled), given.free);
}

INSTANTIATE_TEST_SUITE_P(Places, FreePlaces,
                         testing::Values(PlacesCase{"AllOfThem", 8, 0, 0, 8},
                                         PlacesCase{"NoneWhenAllWork", 8, 8, 0, 0},
                                         PlacesCase{"AStalledOneLendsItsPlace", 8, 8, 3, 3},
                                         PlacesCase{"LentOnesAreTaken", 8, 11, 3, 0},
                                         PlacesCase{"NoMoreThanTwiceAsMany", 8, 16, 16, 0},
                                         PlacesCase{"EveryPlaceMayBeLent", 8, 8, 8, 8},
                                         PlacesCase{"NoneWhileTooManyMoveAgain", 8, 12, 1, 0}),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace peerstage::daemon
