#include "peers/collect/markers.h"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/peer.h"

namespace peerstage::peers::collect {
namespace {

Marker make_durable(const staging::Directory& collect_dir, const Descriptor& file,
                    const std::optional<staging::Ownership>& owner) {
  const std::string shown = collect_dir.shown(collect_indicator);
  staging::give_to(owner, file.get(), shown);
  if (!sync_to_disk(file.get())) throw system_error("cannot sync the marker " + shown, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw system_error("cannot look at " + shown, errno);
  collect_dir.sync();
  return staging::marker_of(status);
}

/// As far as it can be done: what went wrong before is what has to be told.
void take_back(const staging::Directory& collect_dir) {
  try {
    collect_dir.unlink(collect_indicator);
    collect_dir.sync();
  } catch (const PeerError&) {
  }
}

}  // namespace

Marker write_collect_marker(const staging::Directory& collect_dir,
                            const std::optional<staging::Ownership>& owner) {
  const Descriptor file = collect_dir.create_file(collect_indicator, 0666);
  if (!file) throw system_error("cannot write the marker " + collect_dir.shown(collect_indicator), errno);
  try {
    return make_durable(collect_dir, file, owner);
  } catch (...) {
    take_back(collect_dir);
    throw;
  }
}

}  // namespace peerstage::peers::collect
