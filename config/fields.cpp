#include "config/fields.h"

#include <algorithm>
#include <map>

namespace peerstage::config {

std::vector<Fields::Found> Fields::all(const std::string& name, Numbered numbered) const {
  std::vector<Found> found;
  for (const Element& child : element_->children) {
    if (child.name == name)
      found.push_back({&child, path(name) + "[" + std::to_string(found.size() + 1) + "]"});
  }
  if (found.size() == 1 && numbered == Numbered::if_several) found.front().path = path(name);
  return found;
}

Fields::Found Fields::first(const std::string& name) const {
  for (const Found& found : all(name, Numbered::if_several)) {
    if (!found.element->text.empty()) return found;
  }
  return {};
}

Fields::Found Fields::only(const std::string& name) {
  Found counts = first(name);
  bool seen = false;
  for (const Found& found : all(name, Numbered::if_several)) {
    check_scalar(found);
    if (seen) forgive(found, "this element is there more than once; the first one that is not empty counts");
    seen = true;
  }
  return counts;
}

void Fields::check_scalar(const Found& found) {
  const Element& element = *found.element;
  if (element.has_ignored_text) {
    forgive(found, "the text after a comment, an inner element or in a CDATA section is ignored");
  }
  for (const Element& child : element.children) {
    forgive({&child, found.path + "/" + child.name}, "no element is expected inside of a value");
  }
  for (const std::string& attribute : element.attributes) {
    forgive(found, "the attribute " + attribute + " has no meaning");
  }
}

void Fields::forgive(const Found& found, const std::string& message) {
  const Severity severity = strictness_ == Strictness::strict ? Severity::error : Severity::warning;
  report_->add(severity, found.element->line, found.path, message);
}

std::optional<Fields> Fields::group(const char* name) {
  known_.insert(name);
  const auto found = all(name, Numbered::if_several);
  if (found.empty()) return std::nullopt;
  for (auto other = found.begin() + 1; other != found.end(); ++other) {
    forgive(*other, "this element is there more than once; only the first one is read");
  }
  return Fields(*found.front().element, found.front().path, *report_, strictness_);
}

std::vector<Fields> Fields::groups(const char* name) {
  known_.insert(name);
  std::vector<Fields> result;
  for (const Found& found : all(name, Numbered::always)) {
    result.emplace_back(*found.element, found.path, *report_, strictness_);
  }
  return result;
}

void Fields::missing(const char* name) {
  const auto found = all(name, Numbered::if_several);
  if (found.empty()) {
    report_->error(line(), path(name), "this element is required, but missing");
  } else {
    report_->error(found.front().element->line, found.front().path, "this element is required, but empty");
  }
}

void Fields::report_unknown(const std::set<std::string>& known) {
  const Found self{element_, path_};
  if (element_->has_ignored_text || element_->text.find_first_not_of(" \t\n\r") != std::string::npos) {
    forgive(self, "text between the elements is ignored");
  }
  for (const std::string& attribute : element_->attributes) {
    forgive(self, "the attribute " + attribute + " has no meaning");
  }
  std::map<std::string, int> seen;
  for (const Element& child : element_->children) {
    const int number = ++seen[child.name];
    if (known_.contains(child.name) || known.contains(child.name)) continue;
    const std::string suffix = number > 1 ? "[" + std::to_string(number) + "]" : "";
    forgive({&child, path(child.name) + suffix}, "this element is not known here");
  }
}

}  // namespace peerstage::config
