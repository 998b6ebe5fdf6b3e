#include "peers/staging/held_tree.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "peers/peer.h"
#include "peers/staging/file_io.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

Manifest read_manifest(const Directory& peer_day, HeldTree& tree) {
  const Descriptor file = peer_day.open_file(manifest_name, O_RDONLY);
  if (!file && errno == ENOENT) return {};
  try {
    if (!file) throw system_error("cannot open it", errno);
    return parse_manifest(read_whole(file.get(), longest_manifest, peer_day.shown(manifest_name)),
                          peer_day.shown(manifest_name));
  } catch (const PeerError& error) {
    tree.manifest_problem = error.what();
    return {};
  }
}

void read_directory(const Directory& directory, const std::string& prefix, const Manifest& sums,
                    HeldTree& tree) {
  for (const std::string& name : directory.list()) {
    const auto status = directory.find(name);
    if (!status) continue;
    const std::string path = prefix + name;
    if (path == manifest_name) continue;
    if (S_ISDIR(status->st_mode)) {
      tree.directories.emplace(path, status->st_mode & 0777U);
      read_directory(directory.open_directory(name), path + "/", sums, tree);
      continue;
    }
    HeldFile file;
    file.type = S_ISREG(status->st_mode) ? HeldFile::Type::regular : HeldFile::Type::other;
    file.size = static_cast<std::uint64_t>(status->st_size);
    if (const auto sum = sums.find(path); sum != sums.end() && file.type == HeldFile::Type::regular) {
      file.sum = sum->second;
      if (const Descriptor opened = directory.open_file(name, O_RDONLY)) file.tag = read_tag(opened.get());
    }
    tree.files.emplace(path, file);
  }
}

}  // namespace

HeldTree read_held_tree(const Directory& peer_day) {
  HeldTree tree;
  const Manifest sums = read_manifest(peer_day, tree);
  read_directory(peer_day, "", sums, tree);
  return tree;
}

std::optional<StagedFile> staged_file(const std::string& path, const HeldFile& file) {
  if (!file.sum) return std::nullopt;
  const SourceTag tag = file.tag.value_or(SourceTag());
  return StagedFile{path, file.size, *file.sum, tag.modified, tag.fetched_on};
}

}  // namespace peerstage::peers::staging
