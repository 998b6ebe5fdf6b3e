#include "peers/collect/cedar_digest.h"

#include <charconv>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace peerstage::peers::collect {
namespace {

/// Completes a sentence: "… is no digest of Cedar Backup: ...".
struct NoDigest {
  std::string why;
};

constexpr const char* no_character = "it has a character that no file name has";

int value_of(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

std::uint32_t hex_number(std::string_view digits) {
  std::uint32_t number = 0;
  for (const char digit : digits) {
    const int value = value_of(digit);
    if (value < 0) throw NoDigest{"it has an escape that is not hexadecimal"};
    number = number * 16 + static_cast<std::uint32_t>(value);
  }
  return number;
}

void add_byte(std::string& text, std::uint32_t byte) {
  text += static_cast<char>(static_cast<unsigned char>(byte));
}

/// UTF-8, but for what Python makes of bytes of a file name that are none: U+DC80 to U+DCFF are these bytes.
void add_code_point(std::string& text, std::uint32_t point) {
  if (point >= 0xDC80 && point <= 0xDCFF) return add_byte(text, point - 0xDC00);
  if ((point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF || point == 0) throw NoDigest{no_character};
  if (point < 0x80) return add_byte(text, point);
  if (point < 0x800) {
    add_byte(text, 0xC0U | point >> 6U);
  } else if (point < 0x10000) {
    add_byte(text, 0xE0U | point >> 12U);
    add_byte(text, 0x80U | (point >> 6U & 0x3FU));
  } else {
    add_byte(text, 0xF0U | point >> 18U);
    add_byte(text, 0x80U | (point >> 12U & 0x3FU));
    add_byte(text, 0x80U | (point >> 6U & 0x3FU));
  }
  add_byte(text, 0x80U | (point & 0x3FU));
}

/// The text of the opcode V: raw-unicode-escape, where a byte is a character of Latin-1.
std::string unicode_string(std::string_view raw) {
  std::string text;
  for (std::size_t at = 0; at < raw.size();) {
    const bool escape = raw[at] == '\\' && at + 1 < raw.size();
    const std::size_t digits = !escape ? 0 : raw[at + 1] == 'u' ? 4 : raw[at + 1] == 'U' ? 8 : 0;
    if (digits == 0) {
      add_code_point(text, static_cast<unsigned char>(raw[at++]));
      continue;
    }
    if (at + 2 + digits > raw.size()) throw NoDigest{"it has an escape that is cut off"};
    add_code_point(text, hex_number(raw.substr(at + 2, digits)));
    at += 2 + digits;
  }
  return text;
}

/// The text of the opcode S, which Python 2 wrote: the repr() of bytes, in quotes.
std::string byte_string(std::string_view raw) {
  if (raw.size() < 2 || (raw.front() != '\'' && raw.front() != '"') || raw.back() != raw.front())
    throw NoDigest{"it has a string without quotes"};
  const std::string_view inside = raw.substr(1, raw.size() - 2);
  std::string text;
  for (std::size_t at = 0; at < inside.size();) {
    if (inside[at] != '\\') {
      text += inside[at++];
      continue;
    }
    if (at + 1 >= inside.size()) throw NoDigest{"it has an escape that is cut off"};
    const char kind = inside[at + 1];
    at += 2;
    switch (kind) {
      case '\\':
      case '\'':
      case '"':
        text += kind;
        break;
      case 'n':
        text += '\n';
        break;
      case 'r':
        text += '\r';
        break;
      case 't':
        text += '\t';
        break;
      case 'x':
        if (at + 2 > inside.size()) throw NoDigest{"it has an escape that is cut off"};
        add_byte(text, hex_number(inside.substr(at, 2)));
        at += 2;
        break;
      default:
        throw NoDigest{"it has an escape that is not known"};
    }
  }
  if (text.find('\0') != std::string::npos) throw NoDigest{no_character};
  return text;
}

ContentSum sum_of(const std::string& hex) {
  ContentSum sum{};
  if (hex.size() != 2 * sum.size()) throw NoDigest{"it has a sum that is no SHA-1"};
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] = static_cast<std::uint8_t>(hex_number(std::string_view(hex).substr(2 * i, 2)));
  return sum;
}

/// The machine that a pickle is written for, as far as a dictionary of strings needs it. On its stack lie the
/// dictionary (at the bottom, once) and strings.
class DigestReader {
 public:
  using Take = std::function<void(const std::string&, const ContentSum&)>;

  DigestReader(std::string_view text, const Take& take) : text_(text), take_(take) {}

  void run() {
    for (;;) {
      const char opcode = next();
      switch (opcode) {
        case '(':
          mark();
          break;
        case 'd':
          open_dictionary();
          break;
        case 'V':
          push(unicode_string(line()));
          break;
        case 'S':
          push(byte_string(line()));
          break;
        case 'p':
          remember();
          break;
        case 'g':
          recall();
          break;
        case 's':
          set_item();
          break;
        case '.':
          return end();
        default:
          throw NoDigest{"it has an opcode that does not belong there"};
      }
    }
  }

 private:
  char next() {
    if (at_ >= text_.size()) throw NoDigest{"it is cut off"};
    return text_[at_++];
  }

  std::string_view line() {
    const std::size_t end = text_.find('\n', at_);
    if (end == std::string_view::npos) throw NoDigest{"it is cut off"};
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return found;
  }

  void mark() {
    if (is_marked_ || has_dictionary_) throw NoDigest{"it has more than one dictionary"};
    is_marked_ = true;
  }

  void open_dictionary() {
    if (!is_marked_ || has_dictionary_ || !strings_.empty())
      throw NoDigest{"it does not begin with an empty dictionary"};
    has_dictionary_ = true;
  }

  void push(std::string text) {
    if (!has_dictionary_ || strings_.size() == 2) throw NoDigest{"it has a string that belongs to nothing"};
    strings_.push_back(std::move(text));
  }

  std::uint64_t index() {
    const std::string_view digits = line();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error != std::errc() || end != digits.end()) throw NoDigest{"it has a reference that is no number"};
    return number;
  }

  /// Paths are not kept: nothing but a sum appears twice, as far as Cedar Backup writes it. A reference to
  /// one is still understood while its pair is not complete.
  void remember() {
    const std::uint64_t number = index();
    if (strings_.empty()) return;  // the dictionary itself
    if (strings_.size() == 2 || strings_.back().size() == 2 * ContentSum().size())
      known_[number] = strings_.back();
  }

  void recall() {
    const auto known = known_.find(index());
    if (known == known_.end()) throw NoDigest{"it refers to something that is not there"};
    push(known->second);
  }

  void set_item() {
    if (strings_.size() != 2) throw NoDigest{"it has a pair that is not complete"};
    if (!strings_[0].starts_with('/')) throw NoDigest{"it has a path that is not absolute"};
    take_(strings_[0], sum_of(strings_[1]));
    strings_.clear();
  }

  void end() const {
    if (!has_dictionary_ || !strings_.empty()) throw NoDigest{"it ends too early"};
    if (at_ != text_.size()) throw NoDigest{"something follows its end"};
  }

  std::string_view text_;
  const Take& take_;
  std::size_t at_ = 0;
  bool is_marked_ = false, has_dictionary_ = false;
  std::vector<std::string> strings_;
  std::unordered_map<std::uint64_t, std::string> known_;
};

}  // namespace

std::optional<std::string> read_cedar_digest(
    std::string_view text, const std::function<void(const std::string&, const ContentSum&)>& take) {
  try {
    DigestReader(text, take).run();
    return std::nullopt;
  } catch (const NoDigest& error) {
    return error.why;
  }
}

}  // namespace peerstage::peers::collect
