#include "peers/staging/comparison.h"

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

PeerError conflict(const RelativePath& path, const char* at_peer, const char* in_day) {
  return {FailureKind::permanent, "\"" + printable(path.bytes()) + "\" is a " + at_peer +
                                      " at the peer, but the day holds a " + in_day +
                                      " of that name; move one of them out of the way"};
}

}  // namespace

bool unchanged(const SourceFile& file, const HeldFile& held, const std::optional<Manifest>& peers_manifest) {
  if (!held.tag || held.tag->size != file.size || held.tag->modified != file.modified) return false;
  if (held.size != file.size || held.sum != held.tag->sum) return false;
  if (!peers_manifest) return true;
  const auto theirs = peers_manifest->find(file.path.bytes());
  return theirs == peers_manifest->end() || theirs->second == held.tag->sum;
}

Comparison compare(const Survey& survey, const HeldTree& held, const std::optional<Manifest>& peers_manifest,
                   const std::set<std::string>& distrusted) {
  Comparison result;
  for (const SourceDirectory& directory : survey.directories) {
    if (held.files.contains(directory.path.bytes())) throw conflict(directory.path, "directory", "file");
    if (!held.directories.contains(directory.path.bytes())) result.new_directories = true;
  }
  for (std::size_t i = 0; i < survey.files.size(); ++i) {
    const SourceFile& file = survey.files[i];
    const std::string& path = file.path.bytes();
    if (held.directories.contains(path)) throw conflict(file.path, "file", "directory");
    const auto standing = held.files.find(path);
    const bool stands = standing != held.files.end();
    if (stands && standing->second.type == HeldFile::Type::other)
      throw conflict(file.path, "file", "link or special file");
    if (stands && !distrusted.contains(path) && unchanged(file, standing->second, peers_manifest)) {
      result.kept.push_back(i);
    } else {
      result.fetch.push_back(i);
    }
  }
  return result;
}

bool holds(const HeldTree& held, const std::string& path, std::uint64_t size, const Digest& sum) {
  const auto standing = held.files.find(path);
  return standing != held.files.end() && standing->second.size == size && standing->second.sum == sum;
}

}  // namespace peerstage::peers::staging
