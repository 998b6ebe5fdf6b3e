#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "peers/connection.h"

namespace peerstage::peers {

/// Several connections to one machine that look like one: files are fetched over all of them at once, from
/// one queue; everything else goes over the first. A line that one connection cannot fill, or a server that
/// gives each of its processes one core, is worth it.
///
/// The receiver is called by several threads, but never by two at a time. When one connection breaks, nothing
/// new is begun, and the first error is thrown once all have come to rest.
class ParallelConnection final : public Connection {
 public:
  using Connect = std::function<std::unique_ptr<Connection>()>;

  /// `count` is at least 1. `connect` makes one more connection, without contacting the machine yet.
  ParallelConnection(unsigned count, const Connect& connect);

  std::optional<FileInfo> lstat(const std::string& path) override { return first().lstat(path); }
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) override {
    return first().list(directory, limits);
  }
  std::vector<std::vector<ListedEntry>> list_all(const std::vector<std::string>& directories,
                                                 ListLimits limits) override {
    return first().list_all(directories, limits);
  }
  void fetch(FileReceiver& receiver) override;
  void write_marker(const std::string& path) override { first().write_marker(path); }
  CommandResult run(const Command& command) override { return first().run(command); }
  std::vector<std::string> take_notes() override;

 private:
  Connection& first() { return *connections_.front(); }

  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace peerstage::peers
