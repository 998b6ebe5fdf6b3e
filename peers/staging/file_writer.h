#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/source_tag.h"

namespace peerstage::peers::staging {

/// A file that is going to be received.
struct IncomingFile {
  std::string name;  ///< in the spool
  SourceTag source;  ///< what it is at the peer; the sum is not known yet
  mode_t mode = 0600;
};

/// How received files become durable.
enum class Durability {
  each_file,  ///< one by one, before they count as received
  together    ///< later, by one sync of the file system
};

/// Writes received files into the spool and hashes them as the bytes come, so that the line, the processor
/// and the disk work at the same time: one thread hashes, and hands on to one that writes. (Two that write
/// are slower: making files in one directory is one after another.) What is between the threads is bounded
/// (8 MiB).
///
/// A file is created with mode 0600 and only ever holds a beginning of the source, so that an interrupted one
/// can be continued; it gets its tag and its final mode when all of it is there.
///
/// begin, data, complete and finish are called by one thread and may block until the disk has caught up. They
/// throw what another thread threw (PeerError); all is over then.
class FileWriter {
 public:
  /// `files` are known by their index. All references have to outlive the writer.
  FileWriter(const Directory& spool, const std::optional<Ownership>& owner, Durability durability,
             const std::vector<IncomingFile>& files);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// The next data of this file goes to `offset`; what the spool holds up to there is read and hashed.
  void begin(std::size_t file, std::uint64_t offset);
  void data(std::size_t file, std::span<const std::byte> bytes);
  void complete(std::size_t file);
  /// Nothing more comes of it. What there is stays, for another run to go on from.
  void abandon(std::size_t file);

  /// Waits until all is written. The sums by index; absent for a file that is not complete, or that the disk
  /// failed to keep (an I/O error) and that was discarded for it.
  std::vector<std::optional<Digest>> finish();

 private:
  enum class Action { begin, data, complete, abandon };
  struct Step {
    Action action;
    std::size_t file;
    std::uint64_t number;       ///< begin: the offset; data: the length
    Descriptor continued = {};  ///< begin at an offset: the file, hashed up to there
    Digest sum = {};            ///< complete: filled in when it is hashed
  };
  /// What the threads hand on: many small steps cost one wake-up.
  struct Batch {
    std::vector<std::byte> bytes;
    std::vector<Step> steps;
    std::size_t continued = 0;  ///< files that it holds open
    std::chrono::steady_clock::time_point started{};
  };
  struct OpenFile {
    Descriptor descriptor;
    std::uint64_t length = 0;
    std::uint64_t written_back = 0;  ///< up to here the kernel was asked to write
    bool is_continued = false;
  };

  // The calling thread.
  void add(Step step);
  void hand_over();
  Batch take_free_batch();
  void stop();
  void join();

  // The hashing thread.
  void hash_batches();
  void end_hashing();
  void hash_batch(Batch& batch);
  Descriptor hash_beginning(std::size_t file, std::uint64_t offset);
  void refuse_if_exchanged(int descriptor, const std::string& shown) const;

  // The writing thread.
  void write_batches();
  void write_batch(Batch& batch);
  void begin_file(Step& step);
  void write_data(std::size_t file, std::span<const std::byte> bytes);
  void complete_file(std::size_t file, const Digest& sum);
  static std::optional<std::chrono::year_month_day> day_of_what_stands(int descriptor, const SourceTag& tag);
  static void write_back(OpenFile& file, std::uint64_t least);
  void disk_failed(std::size_t file, const char* tried, int error_number);

  // Both.
  template <typename Work>
  void guarded(Work work);

  const Directory& spool_;
  const std::optional<Ownership>& owner_;
  const Durability durability_;
  const std::vector<IncomingFile>& files_;

  Batch current_;  // of the calling thread

  std::mutex mutex_;  // guards what follows, up to error_
  std::condition_variable changed_;
  std::deque<Batch> full_, hashed_;
  std::vector<Batch> free_;
  bool no_more_full_ = false, no_more_hashed_ = false;
  std::exception_ptr error_;

  std::unordered_map<std::size_t, Sha256> hashes_;  // of the hashing thread

  // Of the writing thread, until it is joined.
  std::unordered_map<std::size_t, OpenFile> open_;
  std::vector<std::optional<Digest>> sums_;

  std::thread hasher_, writer_;
};

}  // namespace peerstage::peers::staging
