#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Whether a document is XML that every parser understands alike: the rules of XML 1.0 and of Namespaces in
/// XML for a document without DTD, which tinyxml2 alone does not hold up.
namespace peerstage::config {

inline constexpr std::size_t max_attributes = 64;  ///< of one element; tinyxml2 takes quadratic time for them
inline constexpr std::size_t max_depth = 32;       ///< of nested elements

class XmlError : public std::runtime_error {
 public:
  XmlError(int line, const std::string& message) : std::runtime_error(message), line_(line) {}
  int line() const { return line_; }

 private:
  int line_;
};

/// A document in the subset of XML about which tinyxml2 has no opinion of its own.
struct PlainXml {
  /// One root element; processing instructions are empty comments, line ends are LF, a character reference is
  /// decimal, and white space that is an element's first text is written as references (tinyxml2 drops it
  /// otherwise).
  std::string text;
  /// The line of each start tag in the original, in the order of the document.
  std::vector<int> lines;
};

/// Throws XmlError for the first thing that is wrong. UTF-8 only, whatever the declaration says; a byte order
/// mark is accepted. A document type declaration is refused: nothing here needs one, and entities are what
/// attacks are made of.
PlainXml plain_xml(std::string_view document);

}  // namespace peerstage::config
