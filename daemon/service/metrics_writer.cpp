#include "daemon/service/metrics_writer.h"

#include <chrono>
#include <exception>
#include <utility>

#include "daemon/service/metrics.h"

namespace peerstage::daemon {
namespace {

// Half of the time after which Prometheus looks again, by default.
constexpr auto interval = std::chrono::seconds(15);

}  // namespace

MetricsWriter::MetricsWriter(Timeline& timeline, std::optional<std::string> path,
                             std::function<ServiceState()> state, Tell tell)
    : timeline_(timeline), path_(std::move(path)), state_(std::move(state)), tell_(std::move(tell)) {}

void MetricsWriter::write_soon() {
  if (path_) alarm_ = timeline_.after({}, [this] { write(); });
}

void MetricsWriter::stop() {
  alarm_.reset();
  if (path_) try_to_write();
}

void MetricsWriter::set_path(std::optional<std::string> path) {
  path_ = std::move(path);
  failed_ = false;
  write_soon();
}

void MetricsWriter::write() {
  if (!path_) return;
  try_to_write();
  alarm_ = timeline_.after(interval, [this] { write(); });
}

void MetricsWriter::try_to_write() {
  try {
    write_metrics_file(*path_, metrics_text(state_()));
    failed_ = false;
  } catch (const std::exception& error) {
    if (!std::exchange(failed_, true)) tell_(peers::EventLevel::error, error.what());
  }
}

}  // namespace peerstage::daemon
