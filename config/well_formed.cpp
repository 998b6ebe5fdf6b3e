#include "config/well_formed.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/utf8.h"

namespace peerstage::config {
namespace {

constexpr std::string_view xml_namespace = "http://www.w3.org/XML/1998/namespace";
constexpr std::string_view xmlns_namespace = "http://www.w3.org/2000/xmlns/";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_xml_character(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0D || (c >= 0x20 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
         (c >= 0x10000 && c <= 0x10FFFF);
}

struct Range {
  char32_t first, last;
};

/// NameStartChar of XML 1.0, without the colon, which namespaces treat apart, and without what expat refuses.
constexpr Range name_start[] = {{'A', 'Z'},       {'_', '_'},       {'a', 'z'},       {0xC0, 0xD6},
                                {0xD8, 0xF6},     {0xF8, 0x2FF},    {0x370, 0x37D},   {0x37F, 0x1FFF},
                                {0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF},
                                {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}};
constexpr Range name_more[] = {{'-', '.'}, {'0', '9'}, {0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}};

template <std::size_t size>
bool in(const Range (&ranges)[size], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

/// LF for CR LF and for CR, as text files are read.
std::string with_unix_lines(std::string_view document) {
  std::string text;
  text.reserve(document.size());
  for (std::size_t i = 0; i < document.size(); ++i) {
    if (document[i] != '\r') {
      text += document[i];
    } else if (i + 1 == document.size() || document[i + 1] != '\n') {
      text += '\n';
    }
  }
  return text;
}

/// A name as namespaces see it; the prefix is empty where there is none.
struct QualifiedName {
  std::string whole, prefix, local;
};

struct OpenElement {
  std::string name;
  int line = 0;
  std::map<std::string, std::string> outer;  ///< the bindings outside of it
};

struct Attribute {
  QualifiedName name;
  std::string value;
};

class Scanner {
 public:
  explicit Scanner(std::string_view document) : text_(with_unix_lines(document)) {}

  PlainXml run() {
    if (text_.starts_with("\xEF\xBB\xBF")) position_ = 3;
    check_characters();
    declaration();
    prolog_or_epilog();
    if (at_end()) fail("there is no element in this file");
    start_tag();
    while (!open_.empty()) content();
    prolog_or_epilog();
    if (!at_end()) fail("there is something after the end of the root element");
    return {std::move(out_), std::move(lines_)};
  }

 private:
  // --- the place in the text

  bool at_end() const { return position_ == text_.size(); }
  bool at(std::string_view words) const {
    return std::string_view(text_).substr(position_).starts_with(words);
  }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  bool take(std::string_view words) {
    if (!at(words)) return false;
    position_ += words.size();
    return true;
  }

  bool skip_blanks() {
    const std::size_t start = position_;
    while (!at_end() && is_blank(text_[position_])) ++position_;
    return position_ != start;
  }

  std::string take_until(std::string_view end, const std::string& what) {
    const std::size_t found = text_.find(end, position_);
    if (found == std::string::npos) fail(what + " that begins here has no end");
    std::string inside = text_.substr(position_, found - position_);
    position_ = found + end.size();
    return inside;
  }

  int line() {
    for (; counted_ < position_; ++counted_) line_ += text_[counted_] == '\n' ? 1 : 0;
    return line_;
  }

  [[noreturn]] void fail(const std::string& message) { throw XmlError(line(), message); }

  // --- the parts of a document

  void check_characters() {
    const std::size_t start = position_;
    while (!at_end()) {
      const auto character = decode_utf8(text_, position_);
      if (!character) fail("this line is not UTF-8");
      if (!is_xml_character(character->value)) fail("this line holds a control character that XML forbids");
      position_ += character->bytes;
    }
    position_ = start;
    counted_ = 0;
    line_ = 1;
  }

  void declaration() {
    if (!at("<?xml") || text_.size() == position_ + 5 || !is_blank(text_[position_ + 5])) return;
    position_ += 5;
    if (!pseudo_attribute("version", [](std::string_view) { return true; })) bad_declaration();
    pseudo_attribute("encoding",
                     [](std::string_view v) { return !v.empty() && in(name_start, to_char(v[0])); });
    pseudo_attribute("standalone", [](std::string_view v) { return v == "yes" || v == "no"; });
    skip_blanks();
    if (!take("?>")) bad_declaration();
  }

  [[noreturn]] void bad_declaration() {
    fail("the XML declaration is not of the form <?xml version=\"1.0\"?>");
  }

  static char32_t to_char(char c) { return static_cast<unsigned char>(c); }

  template <typename Valid>
  bool pseudo_attribute(std::string_view name, Valid valid) {
    const std::size_t start = position_;
    if (!skip_blanks() || !take(name)) {
      position_ = start;
      return false;
    }
    skip_blanks();
    if (!take("=")) bad_declaration();
    skip_blanks();
    const char quote = peek();
    if (quote != '"' && quote != '\'') bad_declaration();
    ++position_;
    const std::string value = take_until(std::string(1, quote), "a value in the XML declaration");
    const auto allowed = [](char c) {
      return in(name_start, to_char(c)) || (c >= '0' && c <= '9') || c == '.' || c == '-';
    };
    if (!std::all_of(value.begin(), value.end(), allowed) || !valid(value)) bad_declaration();
    return true;
  }

  void prolog_or_epilog() {
    for (;;) {
      skip_blanks();
      if (take("<!--")) {
        comment();
      } else if (take("<?")) {
        instruction();
      } else if (at("<!")) {
        fail("a document type declaration is not accepted; remove the <!DOCTYPE ...>");
      } else if (!at_end() && peek() != '<') {
        fail("there is text outside of the root element");
      } else {
        return;
      }
    }
  }

  void content() {
    if (at_end()) unclosed();
    if (peek() != '<') return character_data();
    if (take("<!--")) {
      comment();
      out_ += "<!---->";
    } else if (take("<![CDATA[")) {
      const std::string inside = take_until("]]>", "the CDATA section");
      if (!inside.empty()) out_ += "<![CDATA[" + inside + "]]>";  // an empty one does not end a text
    } else if (take("<?")) {
      instruction();
      out_ += "<!---->";
    } else if (at("<!")) {
      fail("a declaration is not accepted inside of an element");
    } else if (take("</")) {
      end_tag();
    } else {
      start_tag();
    }
  }

  [[noreturn]] void unclosed() {
    const OpenElement& last = open_.back();
    fail("the file ends before </" + last.name + ">, which belongs to the <" + last.name + "> of line " +
         std::to_string(last.line));
  }

  void comment() {
    const std::size_t start = position_;
    const std::size_t dashes = text_.find("--", start);
    if (dashes == std::string::npos) fail("the comment that begins here has no end");
    position_ = dashes + 2;
    if (!take(">")) fail("\"--\" is not allowed inside of a comment");
  }

  void instruction() {
    std::string target = name_part();
    std::transform(target.begin(), target.end(), target.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (target == "xml") fail("an XML declaration stands only at the very beginning of a file");
    if (take("?>")) return;
    if (!skip_blanks()) fail("this processing instruction is not of the form <?name text?>");
    take_until("?>", "the processing instruction");
  }

  void character_data() {
    std::string data;
    bool blank = true;
    while (!at_end() && peek() != '<') {
      if (at("]]>")) fail("\"]]>\" is not allowed in text; write ]]&gt;");
      if (peek() == '&') {
        data += reference();
        blank = false;
      } else {
        blank = blank && is_blank(peek());
        data += text_[position_++];
      }
    }
    if (!blank) {
      out_ += data;
      return;
    }
    for (const char c : data) out_ += "&#" + std::to_string(static_cast<int>(c)) + ";";
  }

  /// A reference, as it is handed on.
  std::string reference() {
    const std::size_t end = text_.find(';', position_);
    const std::string words =
        end == std::string::npos ? "" : text_.substr(position_ + 1, end - position_ - 1);
    if (words.starts_with("#")) return character_reference(words.substr(1), end);
    for (const std::string_view known : {"lt", "gt", "amp", "apos", "quot"}) {
      if (words != known) continue;
      position_ = end + 1;
      return "&" + words + ";";
    }
    const std::size_t start = position_++;
    const bool is_name = end != std::string::npos && is_name_start() && name().whole == words;
    position_ = start;
    if (is_name) fail("the entity &" + words + "; is not known; only &lt; &gt; &amp; &apos; &quot; are");
    fail("a bare \"&\" is not allowed; write &amp;");
  }

  std::string character_reference(std::string_view number, std::size_t end) {
    const bool hexadecimal = number.starts_with("x");
    if (hexadecimal) number.remove_prefix(1);
    const std::size_t zeros = std::min(number.find_first_not_of('0'), number.size());
    const std::string_view digits = number.substr(zeros);
    std::uint32_t value = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
    const bool whole = error == std::errc() && stop == digits.data() + digits.size();
    if (!whole || !is_xml_character(value))
      fail("this character reference names no character that XML allows");
    position_ = end + 1;
    return "&#" + std::to_string(value) + ";";
  }

  // --- names and tags

  bool is_name_start() {
    if (at_end()) return false;
    const auto character = decode_utf8(text_, position_);
    return character && in(name_start, character->value);
  }

  std::string name_part() {
    const std::size_t start = position_;
    if (!is_name_start()) fail("a name is expected here");
    while (!at_end()) {
      const auto character = decode_utf8(text_, position_);
      if (!character || !(in(name_start, character->value) || in(name_more, character->value))) break;
      position_ += character->bytes;
    }
    return text_.substr(start, position_ - start);
  }

  QualifiedName name() {
    std::string first = name_part();
    if (!take(":")) return {first, "", first};
    std::string second = name_part();
    return {first + ":" + second, first, second};
  }

  void start_tag() {
    const int tag_line = line();
    if (!take("<")) fail("an element is expected here");
    const QualifiedName element = name();
    if (open_.size() == max_depth)
      fail("elements are nested deeper than " + std::to_string(max_depth) + " levels");
    const std::size_t attributes_start = position_;
    const std::vector<Attribute> found = attributes(element.whole);
    const std::string written = text_.substr(attributes_start, position_ - attributes_start);
    open_.push_back({element.whole, tag_line, bindings_});
    bind_namespaces(found);
    check_prefixes(element, found);
    lines_.push_back(tag_line);
    out_ += "<" + element.whole + written;
    if (take("/>")) {
      out_ += "/>";
      close();
    } else if (take(">")) {
      out_ += ">";
    } else {
      fail("the tag <" + element.whole + " is not closed by \">\"");
    }
  }

  std::vector<Attribute> attributes(const std::string& element) {
    std::vector<Attribute> found;
    std::set<std::string> names;
    for (;;) {
      const bool separated = skip_blanks();
      if (at_end() || peek() == '>' || peek() == '/') return found;
      if (!separated) fail("a blank is missing inside of the tag <" + element);
      if (found.size() == max_attributes) {
        fail("<" + element + "> has more than " + std::to_string(max_attributes) + " attributes");
      }
      Attribute attribute{name(), ""};
      if (!names.insert(attribute.name.whole).second) {
        fail("<" + element + "> has the attribute " + attribute.name.whole + " twice");
      }
      skip_blanks();
      if (!take("=")) fail("the attribute " + attribute.name.whole + " has no value");
      skip_blanks();
      attribute.value = attribute_value(attribute.name.whole);
      found.push_back(std::move(attribute));
    }
  }

  std::string attribute_value(const std::string& attribute) {
    const char quote = peek();
    if (quote != '"' && quote != '\'') fail("the value of the attribute " + attribute + " is not quoted");
    ++position_;
    std::string value;
    while (peek() != quote || at_end()) {
      if (at_end()) fail("the value of the attribute " + attribute + " has no end");
      if (peek() == '<') fail("\"<\" is not allowed in an attribute; write &lt;");
      if (peek() == '&') {
        value += reference();
      } else {
        value += text_[position_++];
      }
    }
    ++position_;
    return value;
  }

  void bind_namespaces(const std::vector<Attribute>& attributes) {
    for (const Attribute& attribute : attributes) {
      const bool is_default = attribute.name.whole == "xmlns";
      if (!is_default && attribute.name.prefix != "xmlns") continue;
      const std::string prefix = is_default ? "" : attribute.name.local;
      const bool is_xml = prefix == "xml" && attribute.value == xml_namespace;
      const bool reserved = prefix == "xml" || prefix == "xmlns" || attribute.value == xml_namespace ||
                            attribute.value == xmlns_namespace;
      if (reserved && !is_xml) fail("the reserved namespace names xml and xmlns cannot be declared anew");
      if (!is_default && attribute.value.empty()) fail("the prefix " + prefix + " is bound to no namespace");
      if (attribute.value.find_first_of(" \t\n\r") != std::string::npos)
        fail("a namespace name holds no blanks");
      bindings_[prefix] = attribute.value;
    }
  }

  void check_prefixes(const QualifiedName& element, const std::vector<Attribute>& attributes) {
    if (!element.prefix.empty()) uri_of(element.prefix);
    std::set<std::pair<std::string, std::string>> expanded;
    for (const Attribute& attribute : attributes) {
      if (attribute.name.prefix.empty() || attribute.name.prefix == "xmlns") continue;
      if (!expanded.emplace(uri_of(attribute.name.prefix), attribute.name.local).second) {
        fail("the attribute " + attribute.name.whole + " is there twice, under two prefixes");
      }
    }
  }

  std::string uri_of(const std::string& prefix) {
    if (prefix == "xml") return std::string(xml_namespace);
    const auto found = bindings_.find(prefix);
    if (found == bindings_.end()) fail("the namespace prefix " + prefix + " is not declared");
    return found->second;
  }

  void end_tag() {
    const std::string closed = name().whole;
    if (closed != open_.back().name) {
      fail("</" + closed + "> does not close the <" + open_.back().name + "> of line " +
           std::to_string(open_.back().line));
    }
    skip_blanks();
    if (!take(">")) fail("the tag </" + closed + " is not closed by \">\"");
    out_ += "</" + closed + ">";
    close();
  }

  void close() {
    bindings_ = std::move(open_.back().outer);
    open_.pop_back();
  }

  const std::string text_;
  std::size_t position_ = 0;
  std::size_t counted_ = 0;  ///< line_ is the line of this position
  int line_ = 1;
  std::vector<OpenElement> open_;
  std::map<std::string, std::string> bindings_;  ///< namespace prefix to name
  std::string out_;
  std::vector<int> lines_;
};

}  // namespace

PlainXml plain_xml(std::string_view document) {
  return Scanner(document).run();
}

}  // namespace peerstage::config
