#include "daemon/worker_protocol.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "daemon/utc.h"
#include "peers/staging/relative_path.h"

namespace peerstage::daemon {
namespace {

// A record: length of what follows (4 bytes), type (1 byte), fields. Numbers are little-endian, strings carry
// a 4-byte length. The type is the index in WorkRecord.
constexpr std::size_t header_size = 4;
constexpr std::size_t max_text = max_record_size / 4;
constexpr std::uint64_t longest_step = 100ULL * 366 * 24 * 3600 * 1000;  // milliseconds

class FieldWriter {
 public:
  explicit FieldWriter(std::size_t type) : bytes_(header_size, '\0') { byte(type); }

  FieldWriter& byte(std::size_t value) {
    bytes_.push_back(static_cast<char>(value));
    return *this;
  }
  FieldWriter& number(std::uint64_t value) { return little_endian(value, 8); }
  FieldWriter& string(std::string_view value) {
    const std::string_view kept = value.substr(0, max_text);
    little_endian(kept.size(), 4);
    bytes_.append(kept);
    return *this;
  }
  FieldWriter& sum(const std::array<std::uint8_t, 32>& value) {
    for (const std::uint8_t each : value) byte(each);
    return *this;
  }
  std::string finish() {
    const std::size_t length = bytes_.size() - header_size;
    for (std::size_t i = 0; i < header_size; ++i) bytes_[i] = static_cast<char>((length >> (8 * i)) & 0xffU);
    return std::move(bytes_);
  }

 private:
  FieldWriter& little_endian(std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) byte((value >> (8U * i)) & 0xffU);
    return *this;
  }
  std::string bytes_;
};

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t byte() { return static_cast<std::size_t>(little_endian(1)); }
  std::uint64_t number() { return little_endian(8); }
  std::string string() {
    const auto size = static_cast<std::size_t>(little_endian(4));
    return std::string(take(size));
  }
  std::array<std::uint8_t, 32> sum() {
    std::array<std::uint8_t, 32> value{};
    std::ranges::transform(take(value.size()), value.begin(),
                           [](char byte) { return static_cast<std::uint8_t>(byte); });
    return value;
  }
  template <typename Enum>
  Enum choice(Enum last) {
    const std::size_t value = byte();
    if (value > static_cast<std::size_t>(last)) throw WorkProtocolError("a choice is out of range");
    return static_cast<Enum>(value);
  }
  bool yes_or_no() {
    const std::size_t value = byte();
    if (value > 1) throw WorkProtocolError("a choice is out of range");
    return value == 1;
  }
  void expect_end() const {
    if (!bytes_.empty()) throw WorkProtocolError("a record is longer than its fields");
  }

 private:
  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) throw WorkProtocolError("a record is shorter than its fields");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::uint64_t little_endian(std::size_t size) {
    std::uint64_t value = 0;
    const std::string_view taken = take(size);
    for (std::size_t i = size; i-- > 0;) value = (value << 8U) | static_cast<unsigned char>(taken[i]);
    return value;
  }
  std::string_view bytes_;
};

void write_fields(FieldWriter& out, const WorkPlanned& record) {
  out.number(record.files).number(record.bytes);
}
void write_fields(FieldWriter& out, const WorkProgress& record) {
  out.number(record.files).number(record.bytes);
}
void write_fields(FieldWriter& out, const WorkSkipped& record) {
  out.string(record.name).string(record.reason);
}
void write_fields(FieldWriter& out, const WorkEvent& record) {
  out.byte(static_cast<std::size_t>(record.level)).string(record.text);
}
void write_fields(FieldWriter& out, const WorkResult& record) {
  out.byte(static_cast<std::size_t>(record.change))
      .number(record.files)
      .number(record.bytes)
      .number(record.reused_files);
  out.byte(record.failure ? 1 : 0).byte(record.failure ? static_cast<std::size_t>(*record.failure) : 0);
  out.string(record.message);
}

void write_fields(FieldWriter& out, const WorkFile& record) {
  out.string(record.name).number(record.size).sum(record.sha256);
  out.number(static_cast<std::uint64_t>(record.source_mtime)).string(record.fetched_on);
}

void write_fields(FieldWriter& out, const WorkStepBegun& record) {
  out.number(record.step);
}
void write_fields(FieldWriter& out, const WorkStepEnded& record) {
  out.number(record.step).byte(record.exit_status ? 1 : 0);
  out.number(static_cast<std::uint64_t>(record.exit_status.value_or(0))).string(record.signal);
  out.number(record.milliseconds);
  out.byte(record.failure ? 1 : 0).byte(record.failure ? static_cast<std::size_t>(*record.failure) : 0);
  out.string(record.message);
}
void write_fields(FieldWriter& out, const WorkOutput& record) {
  out.byte(static_cast<std::size_t>(record.stream)).string(record.bytes);
}
void write_fields(FieldWriter& out, const WorkStaged& record) {
  out.byte(static_cast<std::size_t>(record.change))
      .number(record.files)
      .number(record.bytes)
      .number(record.reused_files);
}

void read_fields(FieldReader& in, WorkPlanned& record) {
  record.files = in.number();
  record.bytes = in.number();
}
void read_fields(FieldReader& in, WorkProgress& record) {
  record.files = in.number();
  record.bytes = in.number();
}
void read_fields(FieldReader& in, WorkSkipped& record) {
  record.name = in.string();
  record.reason = in.string();
}
void read_fields(FieldReader& in, WorkEvent& record) {
  record.level = in.choice(peers::EventLevel::error);
  record.text = in.string();
}
std::optional<peers::FailureKind> read_failure(FieldReader& in) {
  const bool failed = in.yes_or_no();
  const auto kind = in.choice(peers::FailureKind::cancelled);
  if (!failed) return std::nullopt;
  return kind;
}
void read_fields(FieldReader& in, WorkResult& record) {
  record.change = in.choice(TreeChange::changed);
  record.files = in.number();
  record.bytes = in.number();
  record.reused_files = in.number();
  record.failure = read_failure(in);
  record.message = in.string();
}
/// The name of a file reaches the catalog and people who believe it.
std::string path_below_the_day(const std::string& name) {
  try {
    return peers::staging::RelativePath::parse(name).bytes();
  } catch (const peers::PeerError&) {
    throw WorkProtocolError("the name of a file is none that can be staged");
  }
}
void read_fields(FieldReader& in, WorkFile& record) {
  record.name = path_below_the_day(in.string());
  record.size = in.number();
  record.sha256 = in.sum();
  record.source_mtime = static_cast<std::int64_t>(in.number());
  record.fetched_on = in.string();
  if (!record.fetched_on.empty() && !parse_iso_date(record.fetched_on))
    throw WorkProtocolError("the day from which a file was taken is none");
}

void read_fields(FieldReader& in, WorkStepBegun& record) {
  record.step = in.number();
}
std::optional<int> read_exit_status(FieldReader& in) {
  const bool is_there = in.yes_or_no();
  const std::uint64_t status = in.number();
  if (status > static_cast<std::uint64_t>(std::numeric_limits<int>::max()))
    throw WorkProtocolError("an exit status is out of range");
  if (!is_there) return std::nullopt;
  return static_cast<int>(status);
}
std::string read_signal(FieldReader& in) {
  std::string name = in.string();
  const bool is_visible = std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_visible || name.size() > longest_signal_name)
    throw WorkProtocolError("the name of a signal is none");
  return name;
}
void read_fields(FieldReader& in, WorkStepEnded& record) {
  record.step = in.number();
  record.exit_status = read_exit_status(in);
  record.signal = read_signal(in);
  record.milliseconds = in.number();
  if (record.milliseconds > longest_step) throw WorkProtocolError("a step took longer than a century");
  record.failure = read_failure(in);
  record.message = in.string();
  const bool succeeded = record.exit_status == 0 && record.signal.empty();
  if (succeeded == record.failure.has_value()) throw WorkProtocolError("a step contradicts itself");
}
void read_fields(FieldReader& in, WorkOutput& record) {
  record.stream = in.choice(peers::CommandStream::error);
  record.bytes = in.string();
}
void read_fields(FieldReader& in, WorkStaged& record) {
  record.change = in.choice(TreeChange::changed);
  record.files = in.number();
  record.bytes = in.number();
  record.reused_files = in.number();
}

template <typename Record>
WorkRecord read_record(FieldReader& in) {
  Record record;
  read_fields(in, record);
  in.expect_end();
  return record;
}

WorkRecord read_record_of_type(std::size_t type, FieldReader& in) {
  static constexpr std::array readers{read_record<WorkPlanned>,   read_record<WorkProgress>,
                                      read_record<WorkSkipped>,   read_record<WorkEvent>,
                                      read_record<WorkResult>,    read_record<WorkFile>,
                                      read_record<WorkStepBegun>, read_record<WorkStepEnded>,
                                      read_record<WorkStaged>,    read_record<WorkOutput>};
  static_assert(readers.size() == std::variant_size_v<WorkRecord>);
  if (type >= readers.size()) throw WorkProtocolError("a record has an unknown type");
  return readers.at(type)(in);
}

}  // namespace

WorkFile work_file(const peers::StagedFile& file) {
  return {file.path, file.size, file.sum.bytes,
          std::chrono::floor<std::chrono::seconds>(file.modified).count(),
          file.fetched_on ? iso_date(*file.fetched_on) : ""};
}

WorkResult failed_work(peers::FailureKind kind, std::string message) {
  WorkResult result;
  result.failure = kind;
  result.message = std::move(message);
  return result;
}

std::string encode(const WorkRecord& record) {
  FieldWriter out(record.index());
  std::visit([&](const auto& fields) { write_fields(out, fields); }, record);
  return out.finish();
}

void WorkRecordReader::append(std::span<const char> bytes) {
  bytes_.erase(0, begin_);
  begin_ = 0;
  bytes_.append(bytes.data(), bytes.size());
}

std::optional<WorkRecord> WorkRecordReader::next() {
  const std::string_view rest = std::string_view(bytes_).substr(begin_);
  if (rest.size() < header_size) return std::nullopt;
  std::size_t length = 0;
  for (std::size_t i = header_size; i-- > 0;) length = (length << 8U) | static_cast<unsigned char>(rest[i]);
  if (length == 0 || length > max_record_size) throw WorkProtocolError("a record has an impossible length");
  if (rest.size() - header_size < length) return std::nullopt;
  FieldReader in(rest.substr(header_size, length));
  begin_ += header_size + length;
  const std::size_t type = in.byte();
  return read_record_of_type(type, in);
}

}  // namespace peerstage::daemon
