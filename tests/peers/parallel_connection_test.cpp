#include "peers/parallel_connection.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/fake_connection.h"

namespace peerstage::peers {
namespace {

class Collector final : public FileReceiver {
 public:
  Collector(std::size_t count, std::uint64_t size) : count_(count), size_(size) {}
  std::optional<FetchRequest> next() override {
    if (asked_ == count_) return std::nullopt;
    const std::size_t id = asked_++;
    return FetchRequest{id, "/c/" + std::to_string(id), 0, size_};
  }
  void data(std::size_t id, std::span<const std::byte> bytes) override { arrived[id] += bytes.size(); }
  void complete(std::size_t) override { ++completed; }
  void failed(std::size_t, const Failure&) override { ++failures; }

  std::map<std::size_t, std::uint64_t> arrived;
  std::size_t completed = 0, failures = 0;

 private:
  std::size_t count_, asked_ = 0;
  std::uint64_t size_;
};

constexpr std::size_t file_size = 5000;

class ParallelConnectionTest : public testing::Test {
 protected:
  ParallelConnection connect(unsigned count, std::size_t files) {
    return ParallelConnection(count, [&] {
      auto fake = std::make_unique<FakeConnection>();
      fake->add_directory("/c");
      for (std::size_t i = 0; i < files; ++i)
        fake->add_file("/c/" + std::to_string(i), std::string(file_size, 'x'));
      fakes_.push_back(fake.get());
      return fake;
    });
  }

  std::vector<FakeConnection*> fakes_;
};

TEST_F(ParallelConnectionTest, EveryFileIsFetchedOnceOverWhicheverConnection) {
  ParallelConnection connection = connect(4, 100);
  Collector collector(100, file_size);
  connection.fetch(collector);
  EXPECT_EQ(collector.completed, 100U);
  EXPECT_TRUE(
      std::ranges::all_of(collector.arrived, [](const auto& file) { return file.second == file_size; }));
  std::size_t fetched = 0;
  for (const FakeConnection* fake : fakes_) fetched += fake->fetched.size();
  EXPECT_EQ(fetched, 100U);
}

TEST_F(ParallelConnectionTest, NoMoreConnectionsAreUsedThanThereAreFiles) {
  ParallelConnection connection = connect(4, 1);
  Collector collector(1, file_size);
  connection.fetch(collector);
  EXPECT_EQ(collector.completed, 1U);
  EXPECT_EQ(fakes_[0]->fetched.size(), 1U);
}

TEST_F(ParallelConnectionTest, WithoutFilesNothingIsFetched) {
  ParallelConnection connection = connect(2, 0);
  Collector collector(0, 0);
  connection.fetch(collector);
  EXPECT_EQ(collector.completed, 0U);
}

TEST_F(ParallelConnectionTest, AConnectionThatBreaksEndsAllWithItsError) {
  ParallelConnection connection = connect(3, 1000);
  // Each of them, because the others may be through before the one has begun.
  for (FakeConnection* fake : fakes_) fake->breaks_after = 3 * file_size;
  Collector collector(1000, file_size);
  EXPECT_THROW(connection.fetch(collector), PeerError);
  EXPECT_LT(collector.completed, 1000U);
}

TEST_F(ParallelConnectionTest, WhatEachConnectionNotesIsToldOnce) {
  ParallelConnection connection = connect(3, 0);
  for (FakeConnection* fake : fakes_) fake->notes = {"common", "of " + std::to_string(fakes_.size())};
  fakes_[1]->notes.push_back("of one alone");
  EXPECT_EQ(connection.take_notes(), (std::vector<std::string>{"common", "of 3", "of one alone"}));
  EXPECT_TRUE(connection.take_notes().empty());
}

TEST_F(ParallelConnectionTest, AFileThatFailsFailsAlone) {
  ParallelConnection connection = connect(3, 30);
  for (FakeConnection* fake : fakes_) fake->unreadable["/c/7"] = {FailureKind::permanent, "no"};
  Collector collector(30, file_size);
  connection.fetch(collector);
  EXPECT_EQ(collector.completed, 29U);
  EXPECT_EQ(collector.failures, 1U);
}

}  // namespace
}  // namespace peerstage::peers
