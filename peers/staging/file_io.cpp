#include "peers/staging/file_io.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include <sys/stat.h>
#include <unistd.h>

#include "peers/failure.h"

namespace peerstage::peers::staging {

void read_pieces(int file, std::uint64_t length, const std::string& shown,
                 const std::function<void(std::span<const std::byte>)>& take) {
  constexpr std::size_t piece = 256U << 10U;
  const auto buffer =
      std::make_unique<std::byte[]>(static_cast<std::size_t>(std::min<std::uint64_t>(piece, length)));
  for (std::uint64_t at = 0; at < length;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece, length - at));
    const ssize_t got = ::pread(file, buffer.get(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("cannot read " + shown, errno);
    if (got == 0)
      throw PeerError(FailureKind::transient, "cannot read " + shown + ": it became shorter meanwhile");
    take({buffer.get(), static_cast<std::size_t>(got)});
    at += static_cast<std::uint64_t>(got);
  }
}

std::string read_whole(int file, std::size_t limit, const std::string& shown) {
  struct stat status {};
  if (::fstat(file, &status) != 0) throw system_error("cannot look at " + shown, errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > limit) {
    throw PeerError(FailureKind::permanent,
                    "cannot read " + shown + ": it is longer than " + std::to_string(limit) + " bytes");
  }
  std::string text;
  text.reserve(static_cast<std::size_t>(size));
  read_pieces(file, size, shown, [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) text += static_cast<char>(byte);
  });
  return text;
}

}  // namespace peerstage::peers::staging
