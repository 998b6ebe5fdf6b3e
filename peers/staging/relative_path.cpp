#include "peers/staging/relative_path.h"

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::size_t longest_path = 4095;  // PATH_MAX without the NUL
constexpr std::size_t shown_bytes = 300;

void check_length(const std::string& bytes) {
  if (bytes.size() > longest_path) {
    throw PeerError(FailureKind::permanent, "cannot stage \"" + printable(bytes, shown_bytes) +
                                                "\": its path is longer than 4095 bytes");
  }
}

}  // namespace

RelativePath RelativePath::parse(std::string_view bytes) {
  RelativePath path;
  path.bytes_ = bytes;
  check_length(path.bytes_);
  for (std::size_t begin = 0;;) {
    const std::size_t slash = bytes.find('/', begin);
    [[maybe_unused]] const EntryName checked(bytes.substr(begin, slash - begin));
    if (slash == std::string_view::npos) return path;
    begin = slash + 1;
  }
}

RelativePath RelativePath::child(const EntryName& name) const {
  RelativePath path;
  path.bytes_ = bytes_ + '/' + name.bytes();
  check_length(path.bytes_);
  return path;
}

}  // namespace peerstage::peers::staging
