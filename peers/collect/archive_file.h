#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "peers/descriptor.h"
#include "peers/staging/directory.h"
#include "peers/staging/hash.h"

namespace peerstage::peers::collect {

/// The file of an archive while it is written: without a name where the file system can do that (O_TMPFILE),
/// else under a hidden one. A thread of its own hashes and writes, so that reading goes on meanwhile; past
/// the page cache where the file system lets us, which costs less, and leaves to this machine's own work what
/// it has in memory. For one thread; not published: nothing is left.
class ArchiveFile {
 public:
  ArchiveFile(const staging::Directory& where, std::string name);
  ~ArchiveFile();
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;

  /// Throws PeerError for what went wrong with this or with what was written before.
  void write(std::span<const std::byte> bytes);

  struct Content {
    std::uint64_t size = 0;
    staging::Digest sum;
  };
  /// Waits until everything is written. To be called once, before `publish`.
  Content finish();
  /// Makes it durable and gives it its name, replacing what had it.
  void publish(const std::optional<staging::Ownership>& owner, mode_t permissions);

 private:
  struct Free {
    void operator()(std::byte* bytes) const;
  };
  /// Aligned as writing past the page cache demands.
  struct Block {
    std::unique_ptr<std::byte[], Free> bytes;
    std::size_t size = 0;
  };

  static Block new_block();
  void hand_over();
  void work();
  void put(const Block& block);
  void write_out(std::span<const std::byte> bytes);
  bool set_direct(bool direct);
  void stop();
  void give_name();

  const staging::Directory& where_;
  std::string name_;
  std::string temporary_;  ///< its name until it is published
  bool is_named_ = false;  ///< there is an entry `temporary_`
  Descriptor file_;
  Block block_;  ///< what is being filled
  std::uint64_t size_ = 0;

  // Of the thread alone, until it has ended:
  bool is_direct_ = false;
  staging::Sha256 hash_;
  std::uint64_t written_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> full_;
  std::vector<Block> free_;
  bool is_over_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace peerstage::peers::collect
