#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/service/metrics.h"
#include "peers/descriptor.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using peers::Descriptor;

[[noreturn]] void refuse(const std::string& path, const std::string& tried) {
  const int number = errno;
  throw std::runtime_error("cannot write the metrics file " + peers::printable(path) + ": " + tried + ": " +
                           std::strerror(number));
}

/// The directory and the name in it.
struct Place {
  std::string directory, name;
};

Place place_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

/// Made by nobody else: whatever has the name is removed, and a link there is never followed.
Descriptor make_new(int directory, const std::string& name) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Descriptor file(::openat(directory, name.c_str(), flags, 0600));
  if (!file && errno == EEXIST && ::unlinkat(directory, name.c_str(), 0) == 0)
    file = Descriptor(::openat(directory, name.c_str(), flags, 0600));
  return file;
}

/// False, with errno set. The mode comes last: nobody reads half a file.
bool fill(Descriptor file, const std::string& text) {
  return peers::write_whole(file.get(), std::as_bytes(std::span(text))) && ::fchmod(file.get(), 0644) == 0 &&
         ::close(file.release()) == 0;
}

}  // namespace

void write_metrics_file(const std::string& path, const std::string& text) {
  const Place place = place_of(path);
  const Descriptor directory(::open(place.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) refuse(path, "opening its directory");
  const std::string name = "." + place.name + ".new";
  Descriptor file = make_new(directory.get(), name);
  if (!file) refuse(path, "making " + peers::printable(name) + " beside it");
  const bool filled = fill(std::move(file), text);
  if (filled && ::renameat(directory.get(), name.c_str(), directory.get(), place.name.c_str()) == 0) return;
  const int number = errno;
  ::unlinkat(directory.get(), name.c_str(), 0);
  errno = number;
  refuse(path,
         filled ? "putting the new one in its place" : "writing " + peers::printable(name) + " beside it");
}

}  // namespace peerstage::daemon
