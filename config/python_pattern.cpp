#include "config/python_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <pcre2.h>

#include "config/utf8.h"
#include "config/values.h"

namespace peerstage::config {
namespace {

class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_octal(char c) {
  return c >= '0' && c <= '7';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_one_of(char c, std::string_view letters) {
  return letters.find(c) != std::string_view::npos;
}

bool is_identifier(std::string_view name) {
  return !name.empty() && !is_digit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
  });
}

/// What a category such as \d stands for, as members of a class; `ascii` is Python's flag a. Absent: PCRE2
/// reads it as Python does (but for the separators of ASCII in [\S]).
std::optional<std::string_view> members_of(char category, bool ascii) {
  switch (category) {
    case 's':  // the separators of ASCII are white space to Python only
      return ascii ? R"(\x{9}-\x{d}\x{20})" : R"(\s\x{1c}-\x{1f})";
    case 'S':
      if (!ascii) return std::nullopt;
      return R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{10ffff})";
    case 'd':
      return ascii ? std::optional<std::string_view>("0-9") : std::nullopt;
    case 'D':
      return ascii ? std::optional<std::string_view>(R"(\x{0}-\x{2f}\x{3a}-\x{10ffff})") : std::nullopt;
    case 'w':
      return ascii ? std::optional<std::string_view>("0-9A-Z_a-z") : std::nullopt;
    case 'W':
      if (!ascii) return std::nullopt;
      return R"(\x{0}-\x{2f}\x{3a}-\x{40}\x{5b}-\x{5e}\x{60}\x{7b}-\x{10ffff})";
    default:
      return std::nullopt;
  }
}

/// Says a Python pattern in the words of PCRE2. What the two read differently is either written so that both
/// agree, or refused where Python refuses it; what both check (balance, the width of a lookbehind) is left to
/// PCRE2.
class Translation {
 public:
  explicit Translation(std::string_view pattern) : text_(pattern) {}

  std::string run() {
    while (!at_end()) item();
    if (!open_.empty()) throw Fault("a \"(\" is not closed");
    for (const std::size_t group : conditions_) {
      if (group > closed_.size()) throw Fault("there is no group " + std::to_string(group));
    }
    return std::move(out_);
  }

  /// The translation is good for judging the pattern, and for nothing else.
  bool has_named_character() const { return has_named_character_; }

 private:
  enum class Last { nothing, anchor, repeat, item };  ///< what a quantifier would apply to

  struct Open {
    std::size_t number = 0;  ///< of a capturing group
    bool verbose = false;    ///< outside of it
    bool ascii = false;      ///< likewise
    bool lookbehind = false;
    const char* closing = ")";
  };

  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool take(char c) {
    if (at_end() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  char get(const char* otherwise) {
    if (at_end()) throw Fault(otherwise);
    return text_[position_++];
  }
  std::string until(char end, const char* otherwise) {
    const std::size_t found = text_.find(end, position_);
    if (found == std::string_view::npos) throw Fault(otherwise);
    const std::string_view inside = text_.substr(position_, found - position_);
    position_ = found + 1;
    return std::string(inside);
  }

  void emit(std::string_view words, Last last) {
    out_ += words;
    last_ = last;
    if (open_.empty()) nothing_yet_ = false;
  }

  void literal(char32_t c) { emit(written(c), Last::item); }

  /// Half a surrogate pair, which Python may name, is what a byte of a path becomes that is not UTF-8.
  static std::string written(char32_t c) {
    std::array<char, 8> digits{};
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<unsigned>(c), 16).ptr;
    return "\\x{" + std::string(digits.data(), end) + "}";
  }

  char32_t character() {
    const auto found = decode_utf8(text_, position_);
    if (!found) throw Fault("it is not UTF-8");
    position_ += found->bytes;
    return found->value;
  }

  void item() {
    if (verbose_ && skipped_in_verbose_mode()) return;
    switch (peek()) {
      case '\\':
        return escape();
      case '[':
        return character_class();
      case '*':
      case '+':
      case '?':
        return repeat(std::string(1, text_[position_++]));
      case '{':
        return braces();
      case '(':
        return group();
      case ')':
        return close();
      case '|':
        ++position_;
        emit("|", Last::nothing);
        return;
      case '.':
        ++position_;
        emit(".", Last::item);
        return;
      case '^':
      case '$':
        return emit(std::string(1, text_[position_++]), Last::anchor);
      default:
        return literal(character());
    }
  }

  /// To the end of a comment or of the pattern. A backslash hides the character behind it, even there.
  void skip_to(char end) {
    while (!at_end() && peek() != end) {
      if (take('\\') && at_end()) throw Fault("a backslash ends it");
      ++position_;
    }
  }

  bool skipped_in_verbose_mode() {
    if (is_one_of(peek(), " \t\n\r\v\f")) {
      ++position_;
      return true;
    }
    if (peek() != '#') return false;
    skip_to('\n');
    return true;
  }

  // --- quantifiers

  void repeat(const std::string& words) {
    if (last_ == Last::nothing || last_ == Last::anchor) throw Fault("there is nothing to repeat");
    if (last_ == Last::repeat) throw Fault("a repetition cannot be repeated");
    emit(words, Last::repeat);
    if (peek() == '?' || peek() == '+') emit(std::string(1, text_[position_++]), Last::repeat);
  }

  void braces() {
    const std::size_t start = position_++;
    const std::string low = digits();
    const bool comma = take(',');
    const std::string high = comma ? digits() : low;
    const bool is_repeat = peek() == '}' && (comma || !low.empty());
    if (!is_repeat) {
      position_ = start + 1;
      return literal('{');
    }
    ++position_;
    const unsigned least = low.empty() ? 0 : number(low);
    if (high.empty()) return repeat("{" + std::to_string(least) + ",}");
    const unsigned most = number(high);
    if (most < least) throw Fault("a repetition has a minimum above its maximum");
    repeat("{" + std::to_string(least) + "," + std::to_string(most) + "}");
  }

  std::string digits() {
    std::string found;
    while (is_digit(peek())) found += text_[position_++];
    return found;
  }

  /// PCRE2 counts to 65535 only; no path is longer.
  static unsigned number(const std::string& digits) {
    constexpr unsigned python_limit = 4294967295U;
    unsigned value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || value == python_limit) throw Fault("a repetition counts too far");
    return std::min(value, 65535U);
  }

  // --- escapes

  [[noreturn]] static void bad_escape(char c) {
    throw Fault(std::string("\\") + c + " means nothing to Python");
  }

  void escape() {
    ++position_;
    if (at_end()) throw Fault("a backslash ends it");
    const char c = peek();
    if (is_digit(c)) return numbered();
    if (is_letter(c)) ++position_;
    if (is_one_of(c, "bB") && ascii_) return emit(ascii_boundary(c), Last::anchor);
    if (is_one_of(c, "AbB")) return emit(std::string("\\") + c, Last::anchor);
    if (c == 'Z') return emit("\\z", Last::anchor);
    if (is_one_of(c, "dDsSwW")) return emit(category(c), Last::item);
    if (c == 'N') return named_character();
    literal(is_letter(c) ? letter_escape(c) : character());
  }

  std::string category(char c) const {
    if (c == 'S' && !ascii_) return R"([^\s\x{1c}-\x{1f}])";
    const auto members = members_of(c, ascii_);
    return members ? "[" + std::string(*members) + "]" : std::string("\\") + c;
  }

  static std::string ascii_boundary(char c) {
    const std::string word = "[0-9A-Z_a-z])";
    const std::string none = "(?<!" + word + "(?!" + word;
    const std::string both = "(?<=" + word + "(?=" + word;
    const std::string begins = "(?<!" + word + "(?=" + word;
    const std::string ends = "(?<=" + word + "(?!" + word;
    return c == 'b' ? "(?:" + begins + "|" + ends + ")" : "(?:" + both + "|" + none + ")";
  }

  /// The escapes that mean the same inside and outside of a class.
  char32_t letter_escape(char c) {
    constexpr std::string_view letters = "abfnrtv";
    constexpr std::string_view controls = "\a\b\f\n\r\t\v";
    const std::size_t found = letters.find(c);
    if (found != std::string_view::npos) return static_cast<unsigned char>(controls[found]);
    if (c == 'x') return hexadecimal(c, 2);
    if (c == 'u') return hexadecimal(c, 4);
    if (c == 'U') return hexadecimal(c, 8);
    bad_escape(c);
  }

  char32_t hexadecimal(char letter, std::size_t count) {
    const std::string_view digits = text_.substr(position_, count);
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != count || error != std::errc() || stop != digits.data() + count || value > 0x10FFFF) {
      bad_escape(letter);
    }
    position_ += count;
    return value;
  }

  /// Which names Unicode has is not checked.
  void named_character() {
    skip_name();
    emit(".", Last::item);
  }

  void skip_name() {
    if (!take('{') || until('}', "\\N{ is not closed").empty()) bad_escape('N');
    has_named_character_ = true;
  }

  char32_t octal(std::size_t count) {
    unsigned value = 0;
    for (std::size_t i = 0; i < count && is_octal(peek()); ++i) {
      value = value * 8 + static_cast<unsigned>(text_[position_++] - '0');
    }
    if (value > 0377) throw Fault("an octal escape is above \\377");
    return value;
  }

  /// `\0` and three octal digits are a character, anything else a reference to a group.
  void numbered() {
    const std::string_view rest = text_.substr(position_);
    if (rest.front() == '0') return literal(octal(3));
    const bool two = rest.size() > 1 && is_digit(rest[1]);
    if (two && rest.size() > 2 && std::all_of(rest.begin(), rest.begin() + 3, is_octal))
      return literal(octal(3));
    const std::size_t length = two ? 2 : 1;
    position_ += length;
    reference(static_cast<std::size_t>(number(std::string(rest.substr(0, length)))));
  }

  void reference(std::size_t group) {
    check_group(group);
    emit("\\g{" + std::to_string(group) + "}", Last::item);
  }

  void check_group(std::size_t group) const {
    if (group == 0 || group > closed_.size())
      throw Fault("there is no group " + std::to_string(group) + " before this");
    if (!closed_[group - 1]) throw Fault("group " + std::to_string(group) + " refers to itself");
    check_lookbehind(group);
  }

  void check_lookbehind(std::size_t group) const {
    if (lookbehind_groups_ && group > *lookbehind_groups_)
      throw Fault("a lookbehind refers to a group of its own");
  }

  // --- classes

  /// One member of a class: a character, or absent for a category such as \d (which is written at once).
  std::optional<char32_t> class_member(std::string& written_class) {
    if (peek() != '\\') return character();
    ++position_;
    if (at_end()) throw Fault("a backslash ends it");
    const char c = peek();
    if (is_octal(c)) return octal(3);
    if (!is_letter(c) && !is_digit(c)) return character();
    ++position_;
    if (is_one_of(c, "dDsSwW")) {
      const auto members = members_of(c, ascii_);
      written_class += members ? std::string(*members) : std::string("\\") + c;
      return std::nullopt;
    }
    if (c != 'N') return letter_escape(c);
    skip_name();
    return U' ';
  }

  void character_class() {
    ++position_;
    std::string members = take('^') ? "[^" : "[";
    for (bool first = true; first || peek() != ']'; first = false) {
      if (at_end()) throw Fault("a \"[\" is not closed");
      const auto low = class_member(members);
      const bool is_range = peek() == '-' && position_ + 1 < text_.size() && text_[position_ + 1] != ']';
      if (low) members += written(*low);
      if (!is_range) continue;
      ++position_;
      const auto high = class_member(members);
      if (!low || !high || *high < *low) throw Fault("a range in a class is none");
      members += "-" + written(*high);
    }
    ++position_;
    emit(members + "]", Last::item);
  }

  // --- groups

  void open(Open group, std::string_view words) {
    group.verbose = verbose_;
    group.ascii = ascii_;
    emit(words, Last::nothing);
    if (open_.empty()) nothing_yet_ = false;
    open_.push_back(group);
    last_ = Last::nothing;
  }

  void open_capturing() {
    closed_.push_back(false);
    Open group;
    group.number = closed_.size();
    open(group, "(");
  }

  void close() {
    ++position_;
    if (open_.empty()) throw Fault("a \")\" closes nothing");
    const Open group = open_.back();
    open_.pop_back();
    if (group.number > 0) closed_[group.number - 1] = true;
    verbose_ = group.verbose;
    ascii_ = group.ascii;
    const bool inside =
        std::any_of(open_.begin(), open_.end(), [](const Open& outer) { return outer.lookbehind; });
    if (group.lookbehind && !inside) lookbehind_groups_.reset();
    emit(group.closing, Last::item);
  }

  void group() {
    ++position_;
    if (!take('?')) return open_capturing();
    const char c = get("\"(?\" ends it");
    switch (c) {
      case 'P':
        return python_group();
      case ':':
        return open({}, "(?:");
      case '>':
        return open({}, "(?>");
      case '=':
        return open({}, "(?=");
      case '!':
        return open({}, "(?!");
      case '<':
        return lookbehind();
      case '(':
        return conditional();
      case '#':
        skip_to(')');
        if (!take(')')) throw Fault("a comment is not closed");
        return;
      default:
        return flags(c);
    }
  }

  void python_group() {
    const char c = get("\"(?P\" ends it");
    if (c == '<') {
      const std::string name = until('>', "the name of a group has no end");
      if (!is_identifier(name)) throw Fault(quoted(name) + " is no name for a group");
      open_capturing();
      if (!names_.emplace(name, closed_.size()).second) throw Fault("there are two groups " + quoted(name));
    } else if (c == '=') {
      const std::string name = until(')', "the name of a group has no end");
      reference(group_named(name));
    } else {
      throw Fault("(?P needs < or = in Python, for a named group or what it matched");
    }
  }

  std::size_t group_named(const std::string& name) const {
    const auto found = names_.find(name);
    if (found == names_.end()) throw Fault("there is no group " + quoted(name) + " before this");
    return found->second;
  }

  /// In the words of PCRE2 its alternatives may differ in width; one group around them forbids that, as
  /// Python does.
  void lookbehind() {
    const char c = get("\"(?<\" ends it");
    if (c != '=' && c != '!') throw Fault("(?< needs = or ! in Python; a named group is (?P<name>...)");
    if (!lookbehind_groups_) lookbehind_groups_ = closed_.size();
    Open group;
    group.lookbehind = true;
    group.closing = "))";
    open(group, c == '=' ? "(?<=(?:" : "(?<!(?:");
  }

  void conditional() {
    const std::string name = until(')', "the condition of a group has no end");
    std::size_t group = 0;
    if (is_identifier(name)) {
      group = group_named(name);
    } else {
      if (name.empty() || !std::all_of(name.begin(), name.end(), is_digit))
        throw Fault("a condition names no group");
      group = number(name);
      if (group == 0) throw Fault("there is no group 0");
      conditions_.push_back(group);
    }
    check_lookbehind(group);
    open({}, "(?(" + std::to_string(group) + ")");
  }

  void flags(char c) {
    std::string on;
    std::string off;
    for (; is_one_of(c, "aiLmstux"); c = get("flags have no end")) on += c;
    if (c == '-') {
      for (c = get("flags have no end"); is_one_of(c, "aiLmstux"); c = get("flags have no end")) off += c;
      if (off.empty() || c != ':') throw Fault("flags are turned off by (?-flags:...) only");
    }
    if ((on.empty() && off.empty()) || (c != ':' && c != ')'))
      throw Fault("Python does not know this kind of (?...)");
    check_flags(on, off);
    const bool verbose = (verbose_ || is_one_of('x', on)) && !is_one_of('x', off);
    const bool ascii = (ascii_ || is_one_of('a', on)) && !is_one_of('u', on);
    if (c == ')') {
      if (!nothing_yet_) throw Fault("flags for the whole pattern stand at its beginning only");
      verbose_ = verbose;
      ascii_ = ascii;
      out_ += "(?" + known_to_pcre2(on) + ")";
      return;
    }
    open({}, "(?" + known_to_pcre2(on) + (off.empty() ? "" : "-" + known_to_pcre2(off)) + ":");
    verbose_ = verbose;
    ascii_ = ascii;
  }

  static void check_flags(const std::string& on, const std::string& off) {
    if (is_one_of('L', on)) throw Fault("the flag L is for bytes only");
    if (is_one_of('a', on) && is_one_of('u', on)) throw Fault("the flags a and u exclude each other");
    for (const char c : off) {
      if (is_one_of(c, "aLu")) throw Fault(std::string("the flag ") + c + " cannot be turned off");
      if (is_one_of(c, on)) throw Fault(std::string("the flag ") + c + " is turned on and off");
    }
  }

  /// Verbose mode and what \w and its like match are resolved here.
  static std::string known_to_pcre2(const std::string& flags) {
    std::string known;
    std::copy_if(flags.begin(), flags.end(), std::back_inserter(known),
                 [](char c) { return is_one_of(c, "ims"); });
    return known;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::string out_;
  Last last_ = Last::nothing;
  bool verbose_ = false;
  bool ascii_ = false;
  bool nothing_yet_ = true;  ///< no item outside of groups so far
  bool has_named_character_ = false;
  std::vector<Open> open_;
  std::vector<bool> closed_;  ///< of each capturing group
  std::map<std::string, std::size_t> names_;
  std::vector<std::size_t> conditions_;  ///< groups that a condition names
  std::optional<std::size_t>
      lookbehind_groups_;  ///< inside of a lookbehind: how many groups there were before it
};

struct CodeDeleter {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct ContextDeleter {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

struct DataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, CodeDeleter>;

/// Throws Fault.
Code compile(const std::string& pattern, std::uint32_t options) {
  constexpr std::uint32_t nesting = 1000;  // Python's own limit is its recursion limit
  const std::unique_ptr<pcre2_compile_context, ContextDeleter> context(pcre2_compile_context_create(nullptr));
  pcre2_set_parens_nest_limit(context.get(), nesting);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_compile_extra_options(context.get(), PCRE2_EXTRA_ALLOW_SURROGATE_ESCAPES);
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_UCP | options, &error, &offset, context.get()));
  if (code) return code;
  std::array<PCRE2_UCHAR, 256> message{};
  pcre2_get_error_message(error, message.data(), message.size());
  throw Fault(reinterpret_cast<const char*>(message.data()));
}

/// The path as Python has it (its error handler "surrogateescape"), in UTF-8 that knows surrogates.
std::string with_surrogates(const std::string& path) {
  std::string text;
  for (std::size_t at = 0; at < path.size();) {
    const auto character = decode_utf8(path, at);
    if (character) {
      text.append(path, at, character->bytes);
      at += character->bytes;
      continue;
    }
    const unsigned value = 0xDC00U + static_cast<unsigned char>(path[at++]);
    for (const unsigned byte :
         {0xE0U | (value >> 12U), 0x80U | ((value >> 6U) & 0x3FU), 0x80U | (value & 0x3FU)}) {
      text += static_cast<char>(byte);
    }
  }
  return text;
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::optional<std::string> python_pattern_fault(const std::string& pattern) {
  try {
    compile(Translation(pattern).run(), 0);
    return std::nullopt;
  } catch (const Fault& fault) {
    return fault.what();
  }
}

struct ExclusionPattern::Compiled {
  Code code;
  std::unique_ptr<pcre2_match_data, DataDeleter> data;
};

ExclusionPattern::ExclusionPattern(const std::string& pattern) {
  try {
    Translation translation(pattern);
    const std::string translated = translation.run();
    if (translation.has_named_character()) throw Fault("names of characters, \\N{...}, are not known here");
    compile(translated, 0);  // whatever is wrong is said of the pattern itself
    compiled_ = std::make_unique<Compiled>();
    compiled_->code = compile("^" + translated + "$", PCRE2_ANCHORED);
  } catch (const Fault& fault) {
    throw std::invalid_argument(fault.what());
  }
  // Where memory may not be made executable, matching is slower.
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);
  compiled_->data.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  if (!compiled_->data) throw std::bad_alloc();
}

ExclusionPattern::~ExclusionPattern() = default;
ExclusionPattern::ExclusionPattern(ExclusionPattern&& other) noexcept = default;
ExclusionPattern& ExclusionPattern::operator=(ExclusionPattern&& other) noexcept = default;

bool ExclusionPattern::excludes(const std::string& path) const {
  std::string converted;
  const std::string& text = is_ascii(path) ? path : (converted = with_surrogates(path));
  const auto match = [&](std::uint32_t options) {
    return pcre2_match(compiled_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                       PCRE2_NO_UTF_CHECK | options, compiled_->data.get(), nullptr);
  };
  int result = match(0);
  // What was compiled to machine code has 32 KiB to remember where it may go back to; long paths need more.
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  return result >= 0;
}

}  // namespace peerstage::config
