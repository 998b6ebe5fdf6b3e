#include "peers/collect/collect_lock.h"

#include <cerrno>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

constexpr const char* lock_name = "peerstage.lock";

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds between_tries{20};

/// False: the file system does not lock such a thing (NFS wants a file that is open for writing).
bool lock(int descriptor, const std::string& shown, Clock::time_point until) {
  // Not by waiting in the kernel: that cannot be told when to give up.
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return false;
    if (Clock::now() < until) {
      std::this_thread::sleep_for(between_tries);
      continue;
    }
    throw CollectIsLocked(FailureKind::transient,
                          "another collect is going on: it holds " + shown + "; wait until it is over");
  }
  return true;
}

/// Not a file with content, or with another name elsewhere: it is none of ours, and somebody may want it
/// handed over.
void give_away(const std::optional<staging::Ownership>& owner, const Descriptor& file,
               const std::string& shown) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw system_error("cannot look at the lock " + shown, errno);
  if (status.st_size == 0 && status.st_nlink == 1) staging::give_to(owner, file.get(), shown);
}

Descriptor lock_file(const staging::Directory& working) {
  Descriptor file = working.open_file(lock_name, O_RDWR);
  if (!file && errno == ENOENT) file = working.create_file(lock_name, 0600);
  if (!file && errno == EEXIST) file = working.open_file(lock_name, O_RDWR);
  if (!file) throw system_error("cannot open the lock " + working.shown(lock_name), errno);
  return file;
}

}  // namespace

CollectLock::CollectLock(const staging::Directory& collect_dir, const staging::Directory& working,
                         const std::optional<staging::Ownership>& owner, std::chrono::milliseconds patience)
    : collect_dir_(open_beneath(collect_dir.descriptor(), ".", O_RDONLY | O_DIRECTORY)),
      file_(lock_file(working)) {
  const std::string shown = working.shown(lock_name);
  give_away(owner, file_, shown);
  const auto until = Clock::now() + patience;
  if (!lock(file_.get(), shown, until)) throw system_error("cannot lock " + shown, errno);
  static_cast<void>(lock(collect_dir_.get(), printable(collect_dir.path()), until));
}

}  // namespace peerstage::peers::collect
