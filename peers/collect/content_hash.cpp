#include "peers/collect/content_hash.h"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

void check(int result) {
  if (result != 1) throw std::runtime_error("OpenSSL cannot compute SHA-1");
}

const EVP_MD* algorithm() {
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return sha1;
}

}  // namespace

ContentHash::ContentHash() : context_(EVP_MD_CTX_new()) {
  check(context_ && algorithm() != nullptr ? 1 : 0);
}

void ContentHash::begin() {
  check(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr));
}

void ContentHash::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

ContentSum ContentHash::finish() {
  ContentSum sum{};
  check(EVP_DigestFinal_ex(context_.get(), sum.data(), nullptr));
  return sum;
}

ContentSum sum_of_file(const TreeEntry& entry) {
  const EntryLocation at = location_of(entry);
  const std::string tried = "cannot read " + printable(entry.path);
  // O_NONBLOCK: a FIFO of that name must not hold us.
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file = open_at(at.directory, at.name, flags | O_NOATIME);
  if (!file && errno == EPERM) file = open_at(at.directory, at.name, flags);
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) throw system_error(tried, errno);
  if (!S_ISREG(status.st_mode)) throw PeerError(FailureKind::permanent, tried + ": it is not a regular file");

  constexpr std::size_t piece = 128U << 10U;
  thread_local std::vector<std::byte> buffer(piece);
  ContentHash hash;
  hash.begin();
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(tried, errno);
    if (got == 0) return hash.finish();
    hash.add({buffer.data(), static_cast<std::size_t>(got)});
  }
}

ContentSum sum_of_file(const std::string& path) {
  TreeEntry entry;
  entry.path = path;
  return sum_of_file(entry);
}

}  // namespace peerstage::peers::collect
