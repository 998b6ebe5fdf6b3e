#include "config/xml.h"

#include <tinyxml2.h>

namespace peerstage::config {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r") == std::string_view::npos;
}

void add_text(const tinyxml2::XMLText& node, bool& seen, Element& element) {
  const std::string_view text = node.Value();
  if (!seen && !node.CData()) {
    element.text = text;
    seen = true;
  } else if (!is_blank(text)) {
    element.has_ignored_text = true;
  }
}

Element to_element(const tinyxml2::XMLElement& source, std::vector<int>::const_iterator& line) {
  Element element;
  element.name = source.Name();
  element.line = *line++;
  for (const auto* attribute = source.FirstAttribute(); attribute != nullptr; attribute = attribute->Next()) {
    const std::string_view name = attribute->Name();
    if (name != "xmlns" && !name.starts_with("xmlns:")) element.attributes.emplace_back(name);
  }
  bool seen_text = false;
  for (const auto* node = source.FirstChild(); node != nullptr; node = node->NextSibling()) {
    if (const auto* text = node->ToText()) add_text(*text, seen_text, element);
    if (const auto* child = node->ToElement()) element.children.push_back(to_element(*child, line));
  }
  return element;
}

}  // namespace

Element parse_xml(std::string_view document) {
  const PlainXml plain = plain_xml(document);
  tinyxml2::XMLDocument parsed;
  if (parsed.Parse(plain.text.data(), plain.text.size()) != tinyxml2::XML_SUCCESS) {
    throw XmlError(0, std::string("the XML parser refuses this file: ") + parsed.ErrorName());
  }
  auto line = plain.lines.cbegin();
  return to_element(*parsed.RootElement(), line);
}

}  // namespace peerstage::config
