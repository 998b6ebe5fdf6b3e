#include "daemon/worker_protocol.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

std::vector<WorkRecord> some_of_each_kind() {
  WorkResult failure;
  failure.change = TreeChange::changed;
  failure.files = 3;
  failure.bytes = ~0ULL;
  failure.reused_files = 1;
  failure.failure = peers::FailureKind::hostile;
  failure.message = "the peer sent rubbish";
  return {WorkPlanned{1, 2},
          WorkProgress{1ULL << 40U, 7},
          WorkSkipped{std::string("a\0\xff", 3), "socket"},
          WorkEvent{peers::EventLevel::warning, "careful"},
          WorkResult{},
          failure};
}

std::string encoded(const std::vector<WorkRecord>& records) {
  std::string bytes;
  for (const WorkRecord& record : records) bytes += encode(record);
  return bytes;
}

TEST(WorkerProtocol, EveryRecordComesBackAsItWas) {
  WorkRecordReader reader;
  reader.append(encoded(some_of_each_kind()));
  for (const WorkRecord& record : some_of_each_kind()) EXPECT_EQ(reader.next(), record);
  EXPECT_EQ(reader.next(), std::nullopt);
}

TEST(WorkerProtocol, RecordsCutAnywhereAreWaitedFor) {
  WorkRecordReader reader;
  std::vector<WorkRecord> got;
  for (const char byte : encoded(some_of_each_kind())) {
    reader.append({&byte, 1});
    while (auto record = reader.next()) got.push_back(*record);
  }
  EXPECT_EQ(got, some_of_each_kind());
}

TEST(WorkerProtocol, TextTooLongForARecordIsShortened) {
  WorkRecordReader reader;
  reader.append(encode(WorkEvent{peers::EventLevel::info, std::string(1'000'000, 'x')}));
  const auto record = reader.next();
  ASSERT_TRUE(record);
  const std::string& text = std::get<WorkEvent>(*record).text;
  EXPECT_GT(text.size(), 1000U);
  EXPECT_LT(text.size(), max_record_size);
}

struct BadStream {
  const char* name;
  std::string bytes;
};

std::string framed(std::string payload) {
  std::string bytes(4, '\0');
  bytes[0] = static_cast<char>(payload.size());
  return bytes + payload;
}

class BadWorkerStream : public testing::TestWithParam<BadStream> {};

TEST_P(BadWorkerStream, IsRefused) {
  WorkRecordReader reader;
  reader.append(GetParam().bytes);
  EXPECT_THROW(reader.next(), WorkProtocolError);
}

INSTANTIATE_TEST_SUITE_P(
    WorkerProtocol, BadWorkerStream,
    testing::Values(BadStream{"EmptyRecord", std::string(4, '\0')},
                    BadStream{"HugeLength", std::string("\xff\xff\xff\xff", 4)},
                    BadStream{"UnknownType", framed("\x05")},
                    BadStream{"FieldsCutOff", framed(std::string("\0\1\2", 3))},
                    BadStream{"BytesBehindTheFields", framed(std::string("\0", 1) + std::string(17, 'x'))},
                    BadStream{"StringLongerThanTheRecord", framed(std::string("\2\xff\0\0\0abc", 8))},
                    BadStream{"EventOfAnUnknownLevel", framed(std::string("\3\4\0\0\0\0", 6))}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace peerstage::daemon
