#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/service/state.h"
#include "daemon/timeline.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Keeps the file of the metrics fresh: after each run, and every quarter of a minute. A file that cannot be
/// written is told once, until it can be again.
class MetricsWriter {
 public:
  using Tell = std::function<void(peers::EventLevel, const std::string&)>;

  /// Without a path it does nothing.
  MetricsWriter(Timeline& timeline, std::optional<std::string> path, std::function<ServiceState()> state,
                Tell tell);

  void start() { write(); }
  void write_soon();
  void stop();
  void set_path(std::optional<std::string> path);

 private:
  void write();
  void try_to_write();

  Timeline& timeline_;
  std::optional<std::string> path_;
  std::function<ServiceState()> state_;
  Tell tell_;
  std::unique_ptr<Alarm> alarm_;
  bool failed_ = false;
};

}  // namespace peerstage::daemon
