#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "peers/staging/entry_name.h"

namespace peerstage::peers::staging {

/// A path below a collect directory: one or more checked names with a slash between them. In the order of
/// paths a directory comes before what is in it.
class RelativePath {
 public:
  explicit RelativePath(const EntryName& name) : bytes_(name.bytes()) {}
  /// Checks every component, like EntryName. Throws what EntryName throws, and PeerError permanent for a path
  /// that is longer than Linux can open.
  static RelativePath parse(std::string_view bytes);

  RelativePath child(const EntryName& name) const;
  /// The last component.
  std::string name() const { return bytes_.substr(bytes_.rfind('/') + 1); }

  const std::string& bytes() const { return bytes_; }
  auto operator<=>(const RelativePath&) const = default;

 private:
  RelativePath() = default;
  std::string bytes_;
};

}  // namespace peerstage::peers::staging
