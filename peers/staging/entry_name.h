#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace peerstage::peers::staging {

/// One component of a path below a collect directory, checked once: 1 to 255 bytes, not "." or "..", no '/',
/// no NUL, no control character (C0, DEL, or C1 as UTF-8 writes it). Bytes that are not UTF-8 are fine: names
/// on Linux are bytes.
class EntryName {
 public:
  /// Throws PeerError, hostile (permanent for a name that is merely too long), naming the entry and the
  /// reason.
  explicit EntryName(std::string_view bytes);

  const std::string& bytes() const { return bytes_; }
  const char* c_str() const { return bytes_.c_str(); }
  auto operator<=>(const EntryName&) const = default;

 private:
  std::string bytes_;
};

}  // namespace peerstage::peers::staging
