#include <vector>

#include "daemon/worker_protocol.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/target.h"

// The first byte says in pieces of which size the rest comes out of the pipe.

namespace peerstage::fuzz {
namespace {

using namespace daemon;

constexpr std::size_t surely_kept = max_record_size / 4;  // text beyond that is shortened

std::vector<WorkRecord> read(std::string_view bytes, std::size_t piece) {
  WorkRecordReader reader;
  std::vector<WorkRecord> records;
  try {
    while (!bytes.empty()) {
      const std::string_view now = bytes.substr(0, piece);
      reader.append(now);
      bytes.remove_prefix(now.size());
      while (auto record = reader.next()) records.push_back(std::move(*record));
    }
  } catch (const WorkProtocolError&) {
  }
  return records;
}

void run(std::string_view input) {
  Choices choices(input);
  const std::size_t piece = choices.byte() + std::size_t{1};
  const auto records = read(choices.rest(), piece);
  expect(records == read(choices.rest(), input.size()), "it does not matter in which pieces records come");
  for (const WorkRecord& record : records) {
    const std::string bytes = encode(record);
    expect(bytes.size() <= max_record_size + 4, "no record is longer than the longest");
    const auto again = read(bytes, bytes.size());
    expect(again.size() == 1, "a record that was read can be written");
    if (bytes.size() < surely_kept) expect(again[0] == record, "a record that is written reads as it was");
  }
}

const Target target("worker_protocol", run);

}  // namespace
}  // namespace peerstage::fuzz
