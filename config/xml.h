#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/well_formed.h"

/// A document as a tree of values.
namespace peerstage::config {

struct Element {
  std::string name;  ///< with its prefix, if it has one
  int line = 0;
  /// The first text node, white space and all; empty if there is none. This is the whole value of an element
  /// for Cedar Backup.
  std::string text;
  bool has_ignored_text = false;        ///< more text follows, after a comment, a child or in a CDATA section
  std::vector<std::string> attributes;  ///< their names, without namespace declarations
  std::vector<Element> children;
};

/// Reads a document; returns its root. Throws XmlError.
Element parse_xml(std::string_view document);

}  // namespace peerstage::config
