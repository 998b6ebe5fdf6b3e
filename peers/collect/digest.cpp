#include "peers/collect/digest.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/failure.h"

namespace peerstage::peers::collect {
namespace {

constexpr std::string_view digest_heading = "peerstage digest 1";
constexpr std::string_view collect_word = "collect ";
constexpr std::size_t longest_digest = std::size_t{4} << 30U;
constexpr std::string_view confirmed_ending = ".digest";
constexpr std::int64_t ns_per_second = 1'000'000'000;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * ns_per_second + time.tv_nsec;
}

std::string hex(const ContentSum& sum) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : sum) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

std::optional<ContentSum> sum_from_hex(std::string_view text) {
  ContentSum sum{};
  if (text.size() != 2 * sum.size()) return std::nullopt;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, sum[i], 16);
    if (error != std::errc() || end != digits + 2) return std::nullopt;
  }
  return sum;
}

std::string octal(std::uint32_t mode) {
  char text[16];
  return {text, std::to_chars(text, text + sizeof text, mode, 8).ptr};
}

std::string text_of(const Rights& rights) {
  return octal(rights.mode) + " " + std::to_string(rights.uid) + " " + std::to_string(rights.gid);
}

std::string text_of(const FileStamp& stamp) {
  return std::to_string(stamp.size) + " " + std::to_string(stamp.modified) + " " +
         std::to_string(stamp.changed) + " " + std::to_string(stamp.inode);
}

std::optional<Rights> read_rights(Words& words) {
  const auto mode = words.number<std::uint32_t>(8);
  const auto uid = words.number<std::uint32_t>();
  const auto gid = words.number<std::uint32_t>();
  if (!mode || !uid || !gid) return std::nullopt;
  return Rights{*mode, *uid, *gid};
}

std::optional<FileStamp> read_stamp(Words& words) {
  const auto size = words.number<std::uint64_t>();
  const auto modified = words.number<std::int64_t>();
  const auto changed = words.number<std::int64_t>();
  const auto inode = words.number<std::uint64_t>();
  if (!size || !modified || !changed || !inode) return std::nullopt;
  return FileStamp{*size, *modified, *changed, *inode};
}

/// The words of a line before the path. Absent: they are no entry.
std::optional<DigestEntry> read_entry(Words& words) {
  const std::string_view kind = words.next();
  DigestEntry entry;
  if (kind == "dir") {
    entry.kind = DigestEntry::Kind::directory;
    entry.rights = read_rights(words);
    const auto modified = words.number<std::int64_t>();
    if (!entry.rights || !modified) return std::nullopt;
    entry.modified = *modified;
    return entry;
  }
  if (kind != "file" && kind != "fresh" && kind != "sum") return std::nullopt;
  const auto sum = sum_from_hex(words.next());
  if (!sum) return std::nullopt;
  entry.sum = *sum;
  if (kind == "sum") return entry;
  entry.rights = read_rights(words);
  if (!entry.rights) return std::nullopt;
  if (kind == "fresh") return entry;
  entry.stamp = read_stamp(words);
  if (!entry.stamp) return std::nullopt;
  return entry;
}

std::string line_of(const DigestEntry& entry) {
  const Rights rights = entry.rights.value_or(Rights{});
  if (entry.kind == DigestEntry::Kind::directory)
    return "dir " + text_of(rights) + " " + std::to_string(entry.modified);
  const std::string sum = hex(entry.sum);
  if (!entry.rights) return "sum " + sum;
  if (!entry.stamp) return "fresh " + sum + " " + text_of(rights);
  return "file " + sum + " " + text_of(rights) + " " + text_of(*entry.stamp);
}

}  // namespace

FileStamp FileStamp::of(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim), status.st_ino};
}

Rights Rights::of(const struct stat& status) {
  return {status.st_mode & 07777U, status.st_uid, status.st_gid};
}

bool is_settled(const FileStamp& stamp, std::chrono::system_clock::time_point now,
                std::chrono::seconds settle_time) {
  const auto moment = (now - settle_time).time_since_epoch();
  return std::max(stamp.modified, stamp.changed) <
         std::chrono::duration_cast<std::chrono::nanoseconds>(moment).count();
}

Digest::Key Digest::key_of(std::string_view path) {
  staging::Sha256 sum;
  sum.add(path);
  const staging::Digest whole = sum.finish();
  Key key{};
  std::copy_n(whole.bytes.begin(), key.size(), key.begin());
  return key;
}

void Digest::add(std::string_view path, const DigestEntry& entry) {
  records_.push_back({key_of(path), entry});
}

void Digest::index() {
  std::stable_sort(records_.begin(), records_.end(),
                   [](const Record& a, const Record& b) { return a.key < b.key; });
}

const DigestEntry* Digest::find(std::string_view path) const {
  const Key key = key_of(path);
  const auto place = std::lower_bound(records_.begin(), records_.end(), key,
                                      [](const Record& record, const Key& k) { return record.key < k; });
  return place != records_.end() && place->key == key ? &place->entry : nullptr;
}

std::string confirmed_digest_name(const std::string& archive) {
  return archive + std::string(confirmed_ending);
}

std::string pending_digest_name(const std::string& archive) {
  return confirmed_digest_name(archive) + ".pending";
}

std::string waiting_digest_name(const std::string& archive) {
  return confirmed_digest_name(archive) + ".staged";
}

std::optional<std::string> archive_of_confirmed_digest(const std::string& file) {
  if (!file.ends_with(confirmed_ending)) return std::nullopt;
  return file.substr(0, file.size() - confirmed_ending.size());
}

std::optional<Digest> read_digest(const staging::Directory& working, const std::string& name) {
  auto text = SealedText::read(working, name, digest_heading, longest_digest);
  if (!text) return std::nullopt;
  const auto head = text->next();
  if (!head || !head->starts_with(collect_word)) text->refuse_line("it does not say which collect wrote it");
  Digest digest;
  while (const auto line = text->next()) {
    Words words(*line);
    const auto entry = read_entry(words);
    const auto path = unescaped_name(words.rest());
    if (!entry || !path || path->empty()) text->refuse_line("it is no entry");
    digest.add(*path, *entry);
  }
  digest.index();
  return digest;
}

std::string collect_of_digest(const staging::Directory& working, const std::string& name) {
  const Descriptor file = working.open_file(name, O_RDONLY);
  std::array<char, 256> buffer{};
  const ssize_t got = file ? ::pread(file.get(), buffer.data(), buffer.size(), 0) : -1;
  if (got <= 0) return {};
  const std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  const std::string before = std::string(digest_heading) + "\n" + std::string(collect_word);
  const std::size_t end = text.find('\n', before.size());
  if (!text.starts_with(before) || end == std::string_view::npos) return {};
  return std::string(text.substr(before.size(), end - before.size()));
}

DigestWriter::DigestWriter(const staging::Directory& working, const std::string& archive,
                           const std::optional<staging::Ownership>& owner, const std::string& collect_id)
    : writer_(working, pending_digest_name(archive), owner, digest_heading) {
  writer_.line(std::string(collect_word) + collect_id);
}

void DigestWriter::add(std::string_view path, const DigestEntry& entry) {
  writer_.line(line_of(entry) + " " + escaped_name(path));
}

}  // namespace peerstage::peers::collect
