#include "peers/staging/source_tag.h"

#include <array>
#include <charconv>

#include <sys/xattr.h>

namespace peerstage::peers::staging {
namespace {

constexpr const char* attribute = "user.peerstage.source";
constexpr std::string_view version = "1";

std::string_view next_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

template <typename Number>
std::optional<Number> number(std::string_view word) {
  Number value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string SourceTag::text() const {
  return std::string(version) + ' ' + std::to_string(size) + ' ' + std::to_string(modified.count()) + ' ' +
         sum.hex();
}

std::optional<SourceTag> SourceTag::from_text(std::string_view text) {
  if (next_word(text) != version) return std::nullopt;
  const auto size = number<std::uint64_t>(next_word(text));
  const auto modified = number<std::chrono::nanoseconds::rep>(next_word(text));
  const auto sum = Digest::from_hex(text);
  if (!size || !modified || !sum) return std::nullopt;
  return SourceTag{*size, std::chrono::nanoseconds(*modified), *sum};
}

std::optional<SourceTag> read_tag(int file) {
  std::array<char, 160> text{};
  const ssize_t length = ::fgetxattr(file, attribute, text.data(), text.size());
  if (length < 0) return std::nullopt;
  return SourceTag::from_text({text.data(), static_cast<std::size_t>(length)});
}

void write_tag(int file, const SourceTag& tag) {
  const std::string text = tag.text();
  static_cast<void>(::fsetxattr(file, attribute, text.data(), text.size(), 0));
}

}  // namespace peerstage::peers::staging
