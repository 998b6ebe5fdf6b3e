#include "peers/collect/markers.h"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/peer.h"

namespace peerstage::peers::collect {

Marker write_collect_marker(const staging::Directory& collect_dir,
                            const std::optional<staging::Ownership>& owner) {
  const std::string shown = collect_dir.shown(collect_indicator);
  const Descriptor file = collect_dir.create_file(collect_indicator, 0666);
  if (!file) throw system_error("cannot write the marker " + shown, errno);
  staging::give_to(owner, file.get(), shown);
  if (::fsync(file.get()) != 0) throw system_error("cannot sync the marker " + shown, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw system_error("cannot look at " + shown, errno);
  collect_dir.sync();
  return staging::marker_of(status);
}

}  // namespace peerstage::peers::collect
