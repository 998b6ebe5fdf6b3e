#include "peers/staging/entry_name.h"

#include <algorithm>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::size_t longest_name = 255;  // NAME_MAX
constexpr std::size_t shown_bytes = 300;

bool is_c0_or_delete(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// U+0080 to U+009F, which UTF-8 writes as C2 80 to C2 9F.
bool has_c1(std::string_view bytes) {
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    const auto next = static_cast<unsigned char>(bytes[i + 1]);
    if (static_cast<unsigned char>(bytes[i]) == 0xc2 && next >= 0x80 && next <= 0x9f) return true;
  }
  return false;
}

const char* what_is_wrong(std::string_view bytes) {
  if (bytes.empty()) return "it is empty";
  if (bytes == "." || bytes == "..") return "it is a reserved name";
  if (bytes.find('/') != std::string_view::npos) return "it contains a slash";
  if (bytes.find('\0') != std::string_view::npos) return "it contains a NUL";
  if (std::any_of(bytes.begin(), bytes.end(), is_c0_or_delete) || has_c1(bytes)) {
    return "it contains a control character";
  }
  return nullptr;
}

}  // namespace

EntryName::EntryName(std::string_view bytes) : bytes_(bytes) {
  if (const char* reason = what_is_wrong(bytes)) {
    throw PeerError(FailureKind::hostile,
                    "refused the file name \"" + printable(bytes, shown_bytes) + "\": " + reason);
  }
  if (bytes.size() > longest_name) {
    throw PeerError(FailureKind::permanent, "cannot stage the file \"" + printable(bytes, shown_bytes) +
                                                "\": its name is longer than 255 bytes; rename it");
  }
}

}  // namespace peerstage::peers::staging
