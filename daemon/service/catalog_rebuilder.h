#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/service/child_command.h"
#include "daemon/timeline.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Has `peerstage rebuild` fill the catalog from the manifests on the disk: they may be many, and nobody
/// shall wait for them.
class CatalogRebuilder {
 public:
  using Tell = std::function<void(peers::EventLevel, const std::string&)>;

  /// Both must outlive it.
  CatalogRebuilder(boost::asio::io_context& loop, Timeline& timeline, Tell tell);

  /// `done` is called from the loop, whatever came of it. While one goes on, another is not begun.
  void rebuild(const std::string& config_file, std::function<void()> done);

 private:
  void log_output(const ChildResult& result);

  boost::asio::io_context& loop_;
  Timeline& timeline_;
  Tell tell_;
  std::unique_ptr<ChildCommand> child_;
};

}  // namespace peerstage::daemon
