#include "peers/collect/sealed_text.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <span>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/staging/file_io.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

constexpr std::string_view seal = "sha256 ";
constexpr std::size_t seal_length = 7 + 64 + 1;

PeerError not_whole(const std::string& shown, const std::string& why) {
  return {FailureKind::permanent, "cannot use " + shown + ": " + why};
}

staging::Digest sum_of(std::string_view text) {
  staging::Sha256 sum;
  sum.add(text);
  return sum.finish();
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

SealedWriter::SealedWriter(const staging::Directory& where, std::string name,
                           const std::optional<staging::Ownership>& owner, std::string_view first_line)
    : where_(where), name_(std::move(name)), shown_(where.shown(name_)) {
  where_.unlink(unsealed_name);
  file_ = where_.create_file(unsealed_name, 0600);
  if (!file_) throw system_error("cannot create " + where_.shown(unsealed_name), errno);
  staging::give_to(owner, file_.get(), where_.shown(unsealed_name));
  line(first_line);
}

SealedWriter::~SealedWriter() {
  if (!file_) return;
  try {
    where_.unlink(unsealed_name);
  } catch (const PeerError&) {  // the next one removes it
  }
}

void SealedWriter::line(std::string_view text) {
  constexpr std::size_t enough = 64U << 10U;
  waiting_ += text;
  waiting_ += '\n';
  if (waiting_.size() >= enough) flush();
}

void SealedWriter::flush() {
  sum_.add(waiting_);
  if (!write_whole(file_.get(), std::as_bytes(std::span(waiting_))))
    throw system_error("cannot write " + shown_, errno);
  waiting_.clear();
}

void SealedWriter::commit() {
  flush();
  const std::string last = std::string(seal) + sum_.finish().hex() + "\n";
  if (!write_whole(file_.get(), std::as_bytes(std::span(last))) || !sync_to_disk(file_.get()))
    throw system_error("cannot write " + shown_, errno);
  if (::renameat(where_.descriptor(), unsealed_name, where_.descriptor(), name_.c_str()) != 0)
    throw system_error("cannot rename " + where_.shown(unsealed_name) + " to " + shown_, errno);
  file_.reset();
  where_.sync();
}

std::optional<SealedText> SealedText::read(const staging::Directory& where, const std::string& name,
                                           std::string_view first_line, std::size_t limit) {
  const std::string shown = where.shown(name);
  const Descriptor file = where.open_file(name, O_RDONLY);
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) throw system_error("cannot read " + shown, errno);
  std::string text = staging::read_whole(file.get(), limit, shown);
  if (!text.starts_with(std::string(first_line) + "\n"))
    throw not_whole(shown, "it does not begin with \"" + std::string(first_line) + "\"");
  if (text.size() < first_line.size() + 1 + seal_length || !text.ends_with('\n'))
    throw not_whole(shown, "its end is missing");
  const std::string_view all(text);
  const std::string_view body = all.substr(0, all.size() - seal_length);
  const std::string_view last = all.substr(body.size());
  const auto sum = staging::Digest::from_hex(last.substr(seal.size(), 64));
  if (!body.ends_with('\n') || !last.starts_with(seal) || !sum || *sum != sum_of(body))
    throw not_whole(shown, "the sum at its end is not that of its content");
  SealedText result(std::move(text), shown);
  result.at_ = first_line.size() + 1;
  result.end_ = result.text_.size() - seal_length;
  result.number_ = 1;
  return result;
}

std::optional<std::string_view> SealedText::next() {
  if (at_ >= end_) return std::nullopt;
  const std::size_t end = text_.find('\n', at_);
  const std::string_view line = std::string_view(text_).substr(at_, end - at_);
  at_ = end + 1;
  ++number_;
  return line;
}

void SealedText::refuse_line(const std::string& why) const {
  throw not_whole(shown_, "line " + std::to_string(number_) + ": " + why);
}

std::string escaped_name(std::string_view bytes) {
  return printable(bytes);
}

std::optional<std::string> unescaped_name(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes += text[at];
      continue;
    }
    if (at + 1 < text.size() && text[at + 1] == '\\') {
      bytes += '\\';
      ++at;
      continue;
    }
    if (at + 3 >= text.size() || text[at + 1] != 'x') return std::nullopt;
    const int high = hex_value(text[at + 2]), low = hex_value(text[at + 3]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(static_cast<unsigned char>(high * 16 + low));
    at += 3;
  }
  return bytes;
}

std::string_view Words::next() {
  const std::size_t blank = rest_.find(' ');
  const std::string_view word = rest_.substr(0, blank);
  rest_.remove_prefix(blank == std::string_view::npos ? rest_.size() : blank + 1);
  return word;
}

template <typename Number>
std::optional<Number> Words::number(int base) {
  const std::string_view word = next();
  Number value = 0;
  const auto [end, error] = std::from_chars(word.begin(), word.end(), value, base);
  if (error != std::errc() || end != word.end()) return std::nullopt;
  return value;
}

template std::optional<std::uint64_t> Words::number<std::uint64_t>(int);
template std::optional<std::int64_t> Words::number<std::int64_t>(int);
template std::optional<std::uint32_t> Words::number<std::uint32_t>(int);

}  // namespace peerstage::peers::collect
