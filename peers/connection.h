#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "peers/command.h"
#include "peers/failure.h"

namespace peerstage::peers {

enum class FileType { regular, directory, symlink, fifo, socket, device, unknown };

const char* to_string(FileType type);

/// What a machine says about a file. From a remote peer it is the peer's word; an absent value was not told.
struct FileInfo {
  FileType type = FileType::unknown;
  std::optional<std::uint64_t> size;
  std::optional<std::uint32_t> permissions;          ///< the low twelve bits of the mode
  std::optional<std::chrono::nanoseconds> modified;  ///< since the epoch; whole seconds from SFTP v3
  bool operator==(const FileInfo&) const = default;
};

/// One entry of a directory. The name is raw bytes, not checked: it must become an EntryName before it is
/// used.
struct ListedEntry {
  std::string name;
  FileInfo info;
};

/// How much of a directory is believed before the peer is taken for hostile.
struct ListLimits {
  std::size_t entries = 1'000'000;
  std::size_t name_bytes = 128U << 20U;
};

/// One file to be read: `size` bytes in all, of which the first `offset` are there already.
struct FetchRequest {
  std::size_t id = 0;  ///< the receiver's own number for it
  std::string path;    ///< on the machine
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Where fetched files go. Calls come one at a time, from the thread that called `Connection::fetch` or from
/// others that it waits for.
class FileReceiver {
 public:
  virtual ~FileReceiver() = default;
  /// The next file to fetch; called whenever there is room for one more. Absent: no more for now and ever.
  virtual std::optional<FetchRequest> next() = 0;
  /// The next bytes of a file: in order, without gaps, never more than `size - offset` in all. The span is
  /// valid during the call only. May block (bandwidth limit, slow disk). What it throws ends the whole fetch.
  virtual void data(std::size_t id, std::span<const std::byte> bytes) = 0;
  /// The whole file was delivered.
  virtual void complete(std::size_t id) = 0;
  /// This file could not be read; the others go on. Called once, instead of `complete`.
  virtual void failed(std::size_t id, const Failure& failure) = 0;
};

/// What can be done on a machine, this one or one behind SSH. Everything blocks; nothing blocks for longer
/// than the deadlines that the connection was made with. Failures are PeerError. Paths are absolute byte
/// strings of the machine. Not for use by several threads. Messages name the machine ("web1" or "this
/// machine").
class Connection {
 public:
  virtual ~Connection() = default;

  /// The file itself, not what a symlink points to. Absent: it, or a directory on the way, does not exist.
  virtual std::optional<FileInfo> lstat(const std::string& path) = 0;
  /// Every entry except "." and "..", in the machine's order. A listing that ends early is an error, never a
  /// result.
  virtual std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) = 0;
  /// `list` of each, in this order, and the limits are for all of them together. Where the machine is far
  /// away, several are read at a time. The first error ends it.
  virtual std::vector<std::vector<ListedEntry>> list_all(const std::vector<std::string>& directories,
                                                         ListLimits limits);
  /// Reads the files that the receiver asks for, as many at a time as the line wants, until there are none
  /// left. A file that turns out shorter than its size is failed() as transient. Ends with an error only when
  /// the connection as a whole cannot go on (or the receiver threw); files without `complete` or `failed` are
  /// then undone.
  virtual void fetch(FileReceiver& receiver) = 0;
  /// Makes `path` an empty regular file, whether it existed or not, and makes that durable where the machine
  /// can. A symlink or hard link of that name is replaced, never written through, where the machine is this
  /// one.
  virtual void write_marker(const std::string& path) = 0;
  /// Runs a command to its end: that of its process and of both streams. Where something that it started
  /// holds the streams open, a moment of silence after the process's end is the end (`left_open`).
  ///
  /// A command that fails is a result, not an error. PeerError: permanent where it cannot be asked for like
  /// this or the user may not be had, transient where a deadline ended it (then what it started in its
  /// process group is told to end, too: killed here, sent SIGTERM behind SSH) or the machine was lost.
  virtual CommandResult run(const Command& command) = 0;
  /// What is worth a line in the log since the last call: a host key that was added, configuration that was
  /// left out. Printable sentences.
  virtual std::vector<std::string> take_notes() { return {}; }
};

}  // namespace peerstage::peers
