#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/service/child_command.h"
#include "daemon/timeline.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Fills a catalog from the manifests on the disk, in a process of its own: manifests may be many, and the
/// names in them are not ours.
class CatalogRebuilder {
 public:
  using Tell = std::function<void(peers::EventLevel, const std::string&)>;

  /// Both must outlive it.
  CatalogRebuilder(boost::asio::io_context& loop, Timeline& timeline, Tell tell);

  /// `done` is called from the loop, whatever came of it. While one goes on, another is not begun.
  void rebuild(const std::string& catalog, const std::string& staging_dir, std::function<void()> done);

 private:
  boost::asio::io_context& loop_;
  Timeline& timeline_;
  Tell tell_;
  std::unique_ptr<ChildCommand> child_;
};

}  // namespace peerstage::daemon
