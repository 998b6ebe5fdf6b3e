#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peers/connection.h"

namespace peerstage::peers {

/// An entry of a FakeConnection's machine.
struct FakeEntry {
  FileType type = FileType::regular;
  std::string content;
  std::uint32_t permissions = 0644;
  std::chrono::nanoseconds modified = std::chrono::seconds(1'600'000'000);
};

/// A machine in memory: small, but it works. The knobs make it a flaky or hostile one.
class FakeConnection final : public Connection {
 public:
  /// By absolute path; directories have to be there before what is in them.
  std::map<std::string, FakeEntry> entries;

  // Knobs.
  std::size_t piece = 1000;         ///< data() gets at most so many bytes at a time
  std::size_t files_at_a_time = 3;  ///< several files are on the line at once, their data interleaved
  std::map<std::string, Failure> unreadable;           ///< fetching this path fails
  std::optional<std::uint64_t> breaks_after;           ///< the connection ends after so many bytes of files
  std::vector<ListedEntry> extra_entries;              ///< what every listing of the top has besides
  bool tells_size = true;                              ///< false: no listed file has one
  std::function<void(FakeConnection&)> after_listing;  ///< called after each list()
  std::function<void(FakeConnection&)> before_fetch;   ///< called at each fetch()
  std::function<CommandResult(const Command&)> on_run;
  std::vector<std::string> notes;    ///< for take_notes()
  std::function<void()> before_run;  ///< called at each run(), before the command begins

  // What happened.
  std::vector<std::string> fetched;    ///< paths that were asked for, in order
  std::uint64_t fetched_bytes = 0;     ///< bytes handed to data()
  std::vector<std::uint64_t> offsets;  ///< of `fetched`

  void add_file(const std::string& path, const std::string& content, std::uint32_t permissions = 0644);
  void add_directory(const std::string& path, std::uint32_t permissions = 0755);
  void add_special(const std::string& path, FileType type);
  /// The same size and mtime, other bytes: what no listing shows.
  void change_unseen(const std::string& path);
  /// Another content, another mtime.
  void change(const std::string& path, const std::string& content);
  void forget_what_happened();

  std::optional<FileInfo> lstat(const std::string& path) override;
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) override;
  void fetch(FileReceiver& receiver) override;
  void write_marker(const std::string& path) override;
  /// Understands `sha256sum PATH...` unless on_run says otherwise. The result's output is heard in one piece
  /// a stream.
  CommandResult run(const Command& command) override;
  std::vector<std::string> take_notes() override { return std::exchange(notes, {}); }

 private:
  struct OnTheLine;
  CommandResult sum(const Command& command) const;
  bool advance(FileReceiver& receiver, OnTheLine& file);
  void deliver(FileReceiver& receiver, OnTheLine& file, const std::string& content);
};

}  // namespace peerstage::peers
