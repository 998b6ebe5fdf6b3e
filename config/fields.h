#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/report.h"
#include "config/values.h"
#include "config/xml.h"

namespace peerstage::config {

/// What is not known, not unique or not counted: forgiven where Cedar Backup forgives it, refused in our own
/// section.
enum class Strictness { lenient, strict };

/// The children of one element, asked for by name. Whatever is wrong with them goes to the report. Of several
/// elements of one name the first that is not empty counts, of several groups the first. Ends with
/// `report_unknown`.
///
/// The element and the report must outlive it.
class Fields {
 public:
  Fields(const Element& element, std::string path, Report& report, Strictness strictness)
      : element_(&element), path_(std::move(path)), report_(&report), strictness_(strictness) {}

  int line() const { return element_->line; }
  const std::string& path() const { return path_; }
  std::string path(const std::string& child) const { return path_.empty() ? child : path_ + "/" + child; }

  /// Is there an element of this name with a value, good or bad?
  bool has(const char* name) const { return first(name).element != nullptr; }

  /// Where the value stands; where it is missing, the line of the element itself.
  CommandLine place(const char* name) const {
    const Found found = first(name);
    return {"", found.element != nullptr ? found.element->line : line(),
            found.path.empty() ? path(name) : found.path};
  }

  /// The value; absent if there is none, or a bad one (which is reported).
  template <typename Parse>
  auto value(const char* name, const Parse& parse) -> std::optional<decltype(parse(std::string()))> {
    known_.insert(name);
    const Found found = only(name);
    if (found.element == nullptr) return std::nullopt;
    return parsed(found, parse);
  }

  /// The same, where there has to be one: that it is missing is reported, and a value of nothing stands in.
  template <typename Parse>
  auto required(const char* name, const Parse& parse) -> decltype(parse(std::string())) {
    auto found = value(name, parse);
    if (!found && !has(name)) missing(name);
    return found ? std::move(*found) : decltype(parse(std::string())){};
  }

  /// Of an element that may be repeated, every value.
  template <typename Parse>
  auto values(const char* name, const Parse& parse) -> std::vector<decltype(parse(std::string()))> {
    std::vector<decltype(parse(std::string()))> result;
    known_.insert(name);
    for (const Found& found : all(name, Numbered::always)) {
      if (found.element->text.empty()) continue;
      check_scalar(found);
      if (auto one = parsed(found, parse)) result.push_back(std::move(*one));
    }
    return result;
  }

  std::optional<Fields> group(const char* name);
  std::vector<Fields> groups(const char* name);

  /// Reports that a required child is absent or empty.
  void missing(const char* name);

  void error(const CommandLine& place, const std::string& message) {
    report_->error(place.line, place.element, message);
  }

  void warning(const CommandLine& place, const std::string& message) {
    report_->warning(place.line, place.element, message);
  }

  /// Reports the children that nobody asked for, attributes, and text between the children. `known` are names
  /// that mean something to others.
  void report_unknown(const std::set<std::string>& known = {});

 private:
  struct Found {
    const Element* element = nullptr;
    std::string path;
  };

  enum class Numbered { always, if_several };
  std::vector<Found> all(const std::string& name, Numbered numbered) const;
  Found first(const std::string& name) const;
  Found only(const std::string& name);
  void check_scalar(const Found& found);
  void forgive(const Found& found, const std::string& message);

  template <typename Parse>
  auto parsed(const Found& found, const Parse& parse) -> std::optional<decltype(parse(std::string()))> {
    try {
      return parse(found.element->text);
    } catch (const BadValue& bad) {
      report_->error(found.element->line, found.path, quoted(found.element->text) + " " + bad.what());
      return std::nullopt;
    }
  }

  const Element* element_;
  std::string path_;
  Report* report_;
  Strictness strictness_;
  std::set<std::string> known_;  ///< names that were asked for
};

}  // namespace peerstage::config
