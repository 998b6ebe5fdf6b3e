#include "peers/collect/markers.h"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "peers/collect/digest.h"
#include "peers/failure.h"
#include "peers/peer.h"

namespace peerstage::peers::collect {
namespace {

Marker marker_of(const struct stat& status) {
  const FileStamp stamp = FileStamp::of(status);
  return {stamp.modified, stamp.changed, stamp.inode};
}

}  // namespace

std::optional<Marker> find_marker(const staging::Directory& collect_dir, const std::string& name) {
  const auto status = collect_dir.find(name);
  if (!status || !S_ISREG(status->st_mode)) return std::nullopt;
  return marker_of(*status);
}

bool says_staged(const std::optional<Marker>& stage, std::int64_t complete_at) {
  return stage && std::min(stage->modified, stage->changed) > complete_at;
}

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
  return marker_of(status);
}

}  // namespace peerstage::peers::collect
