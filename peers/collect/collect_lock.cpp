#include "peers/collect/collect_lock.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

constexpr const char* lock_name = "peerstage.lock";

/// False: the file system does not lock such a thing (NFS wants a file that is open for writing).
bool lock(int descriptor, const std::string& shown) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) {
    throw CollectIsLocked(FailureKind::transient,
                          "another collect is going on: it holds " + shown + "; wait until it is over");
  }
  return false;
}

Descriptor lock_file(const staging::Directory& working) {
  Descriptor file = working.open_file(lock_name, O_RDWR);
  if (!file && errno == ENOENT) file = working.create_file(lock_name, 0600);
  if (!file && errno == EEXIST) file = working.open_file(lock_name, O_RDWR);
  if (!file) throw system_error("cannot open the lock " + working.shown(lock_name), errno);
  return file;
}

}  // namespace

CollectLock::CollectLock(const staging::Directory& collect_dir, const staging::Directory& working)
    : collect_dir_(open_beneath(collect_dir.descriptor(), ".", O_RDONLY | O_DIRECTORY)),
      file_(lock_file(working)) {
  if (!lock(file_.get(), working.shown(lock_name)))
    throw system_error("cannot lock " + working.shown(lock_name), errno);
  static_cast<void>(lock(collect_dir_.get(), printable(collect_dir.path())));
}

}  // namespace peerstage::peers::collect
