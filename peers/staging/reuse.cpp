#include "peers/staging/reuse.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "peers/staging/comparison.h"
#include "peers/staging/file_io.h"

namespace peerstage::peers::staging {
namespace {

/// Of an unfinished file in the spool: the name of none that is wanted.
const std::string unfinished_name(32, '0');

HeldTree earlier_tree(const Directory& day) {
  try {
    return read_held_tree(day);
  } catch (const PeerError&) {
    return {};  // what cannot be read is fetched
  }
}

bool shares_blocks(int copy, int source) {
  return ::ioctl(copy, FICLONE, source) == 0;
}

}  // namespace

Reuse::Reuse(const PeerPlace& place, const Directory& spool, const FileModes& modes, Durability durability)
    : place_(place),
      spool_(spool),
      modes_(modes),
      durability_(durability),
      held_(earlier_tree(place.before().value().directory)) {}

std::optional<SourceTag> Reuse::take(const SourceFile& file, const std::string& spooled,
                                     const std::optional<Manifest>& peers_manifest) const {
  const auto held = held_.files.find(file.path.bytes());
  if (held == held_.files.end() || !unchanged(file, held->second, peers_manifest)) return std::nullopt;
  const std::string& path = file.path.bytes();
  const std::size_t slash = path.rfind('/');
  Descriptor source;
  try {
    const Directory parent =
        place_.before()->directory.open_below(slash == std::string::npos ? "" : path.substr(0, slash));
    source = parent.open_file(path.substr(slash + 1), O_RDONLY);
  } catch (const PeerError&) {
    return std::nullopt;
  }
  if (!source) return std::nullopt;
  const SourceTag& earlier = held->second.tag.value();
  const SourceTag tag{file.size, file.modified, earlier.sum,
                      earlier.fetched_on.value_or(place_.before()->date)};
  if (!copy(source.get(), file, tag)) {
    spool_.unlink(unfinished_name);
    return std::nullopt;
  }
  spool_.unlink(spooled);
  rename_new({spool_, unfinished_name}, {spool_, spooled});
  return tag;
}

/// False: the earlier file cannot be read to its end or is not what its tag says, or the disk fails to keep
/// the copy.
bool Reuse::copy(int source, const SourceFile& file, const SourceTag& tag) const {
  spool_.unlink(unfinished_name);
  const std::string shown = spool_.shown(unfinished_name);
  const Descriptor copy = spool_.create_file(unfinished_name, 0600);
  if (!copy) throw system_error("cannot create " + shown, errno);
  const bool shared = shares_blocks(copy.get(), source);
  Sha256 hash;
  int write_error = 0;
  const auto take = [&](std::span<const std::byte> bytes) {
    hash.add(bytes);
    if (!shared && write_error == 0 && !write_whole(copy.get(), bytes)) write_error = errno;
  };
  try {
    read_pieces(shared ? copy.get() : source, file.size, shown, take);
  } catch (const PeerError&) {
    return false;
  }
  if (write_error != 0) throw system_error("cannot write " + shown, write_error);
  return hash.finish() == tag.sum && finish(copy.get(), file, tag);
}

bool Reuse::finish(int copy, const SourceFile& file, const SourceTag& tag) const {
  const std::string shown = spool_.shown(unfinished_name);
  give_to(place_.owner(), copy, shown);
  write_tag(copy, tag);
  if (::fchmod(copy, modes_.file(file.permissions)) != 0)
    throw system_error("cannot set the mode of " + shown, errno);
  return durability_ == Durability::together || sync_to_disk(copy);
}

}  // namespace peerstage::peers::staging
