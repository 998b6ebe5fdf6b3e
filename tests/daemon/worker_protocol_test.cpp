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
          WorkOutput{peers::CommandStream::error, std::string("raw \0\xff", 6)},
          WorkFile{"etc/\xff \\n", ~0ULL, {0, 1, 0xfe}, -1},
          WorkFile{"taken", 1, {}, 2, "2026-11-19"},
          WorkResult{},
          failure,
          WorkStepBegun{3},
          WorkStepEnded{3, 0, "", 1'234, {}, ""},
          WorkStepEnded{1, 6, "", 0, peers::FailureKind::permanent, "it failed"},
          WorkStepEnded{0, {}, "KILL", 7, peers::FailureKind::permanent, "it was killed"},
          WorkStaged{TreeChange::changed, 5, 6, 7}};
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

std::string file_named(const std::string& name) {
  return encode(WorkFile{name, 1, {}, 2});
}

std::string file_taken_from(const std::string& day) {
  return encode(WorkFile{"a", 1, {}, 2, day});
}

/// A whole record, of which so many bytes at the end are missing.
std::string file_cut_by(std::size_t missing) {
  const std::string whole = file_named("a");
  return framed(whole.substr(4, whole.size() - 4 - missing));
}

class BadWorkerStream : public testing::TestWithParam<BadStream> {};

TEST_P(BadWorkerStream, IsRefused) {
  WorkRecordReader reader;
  reader.append(GetParam().bytes);
  EXPECT_THROW(reader.next(), WorkProtocolError);
}

INSTANTIATE_TEST_SUITE_P(
    WorkerProtocol, BadWorkerStream,
    testing::Values(
        BadStream{"EmptyRecord", std::string(4, '\0')},
        BadStream{"HugeLength", std::string("\xff\xff\xff\xff", 4)}, BadStream{"UnknownType", framed("\x09")},
        BadStream{"FieldsCutOff", framed(std::string("\0\1\2", 3))},
        BadStream{"BytesBehindTheFields", framed(std::string("\0", 1) + std::string(17, 'x'))},
        BadStream{"StringLongerThanTheRecord", framed(std::string("\2\xff\0\0\0abc", 8))},
        BadStream{"EventOfAnUnknownLevel", framed(std::string("\3\4\0\0\0\0", 6))},
        BadStream{"StepThatFailedWithoutAFailure", encode(WorkStepEnded{0, 1, "", 0, {}, ""})},
        BadStream{"StepThatSucceededWithAFailure",
                  encode(WorkStepEnded{0, 0, "", 0, peers::FailureKind::permanent, ""})},
        BadStream{"StepWithAnImpossibleStatus",
                  encode(WorkStepEnded{0, -1, "", 0, peers::FailureKind::permanent, ""})},
        BadStream{"StepWithAnEscapeInItsSignal",
                  encode(WorkStepEnded{0, {}, "\x1b[2J", 0, peers::FailureKind::permanent, ""})},
        BadStream{"StepWithTooLongASignal",
                  encode(WorkStepEnded{0, {}, std::string(65, 'A'), 0, peers::FailureKind::permanent, ""})},
        BadStream{"StepThatTookForEver", encode(WorkStepEnded{0, 0, "", ~0ULL, {}, ""})},
        BadStream{"FileWithoutAName", file_named("")},
        BadStream{"FileWithAnAbsoluteName", file_named("/etc/passwd")},
        BadStream{"FileAboveTheDay", file_named("a/../../b")},
        BadStream{"FileTakenFromNoDay", file_taken_from("2026-11-31")},
        BadStream{"FileWithANulInItsName", file_named(std::string("a\0b", 3))},
        BadStream{"FileWithALineBreakInItsName", file_named("a\nb")},
        BadStream{"FileOfTooLongAName", file_named(std::string(5000, 'a'))},
        BadStream{"FileWhoseSumIsCutOff", file_cut_by(9)},
        BadStream{"FileWhoseTimeIsCutOff", file_cut_by(1)}),
    [](const auto& tested) { return tested.param.name; });

/// Whatever a worker that was taken over sends: it is refused or it is a record of ours, and nothing is read
/// beyond it.
TEST(WorkerProtocol, AnyDamageIsRefusedOrAWholeRecord) {
  const std::string whole = encoded(some_of_each_kind());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flipped : {0x01U, 0x80U, 0xffU}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flipped);
      WorkRecordReader reader;
      reader.append(damaged);
      try {
        while (const auto record = reader.next()) EXPECT_LE(encode(*record).size(), max_record_size);
      } catch (const WorkProtocolError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, whole.size() / 4);
}

}  // namespace
}  // namespace peerstage::daemon
