#include "peers/local_peer.h"

#include <optional>

#include <fcntl.h>
#include <sys/stat.h>

#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity_of(int directory) {
  struct stat status {};
  if (::fstat(directory, &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

/// Is it the other one, or somewhere below? Told by what they are, not by how they are called.
bool is_within(int directory, int other) {
  const auto wanted = identity_of(other);
  auto here = identity_of(directory);
  Descriptor current;
  while (here && here != wanted) {
    Descriptor parent = open_at(current ? current.get() : directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const auto above = parent ? identity_of(parent.get()) : std::nullopt;
    if (above == here) return false;  // the root
    current = std::move(parent);
    here = above;
  }
  return here.has_value();
}

}  // namespace

Outcome<StagedTree> LocalPeer::stage(staging::PeerPlace& place, Observer& observer) {
  const Descriptor collect = open_at(AT_FDCWD, collect_dir().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int staging = place.disk().descriptor();
  if (collect && place.can_be_written() &&
      (is_within(collect.get(), staging) || is_within(staging, collect.get()))) {
    return Failure{FailureKind::permanent,
                   "cannot stage " + printable(collect_dir()) + " into " + printable(place.disk().path()) +
                       ": one of them lies inside of the other; configure directories that are apart"};
  }
  return ConnectedPeer::stage(place, observer);
}

}  // namespace peerstage::peers
