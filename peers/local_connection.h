#pragma once

#include <string>

#include "peers/connection.h"
#include "peers/descriptor.h"

namespace peerstage::peers {

/// This machine. Paths below `base` are reached through one descriptor of it and no symbolic link on the way
/// is followed, because the owner of the base may be somebody else than we and may swap what is in it at any
/// moment; `base` itself may be a link. Reading leaves access times alone where we may say so.
class LocalConnection final : public Connection {
 public:
  explicit LocalConnection(std::string base);

  std::optional<FileInfo> lstat(const std::string& path) override;
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) override;
  void fetch(FileReceiver& receiver) override;
  void write_marker(const std::string& path) override;
  CommandResult run(const Command& command) override;

 private:
  /// Opens what `path` names; -1 and errno when it cannot.
  Descriptor open(const std::string& path, int flags);
  void fetch_one(FileReceiver& receiver, const FetchRequest& request, std::span<std::byte> buffer);

  std::string base_;
  Descriptor base_descriptor_;
};

}  // namespace peerstage::peers
