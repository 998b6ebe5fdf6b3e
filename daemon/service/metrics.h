#pragma once

#include <string>

#include "daemon/service/state.h"

namespace peerstage::daemon {

/// The state in the text format of Prometheus (version 0.0.4). The names are stable; docs/metrics.md lists
/// them.
std::string metrics_text(const ServiceState& state);

/// Puts a text into a file by rename, so that a reader sees the old one or the new one. Mode 0644. Throws
/// std::runtime_error with one sentence.
void write_metrics_file(const std::string& path, const std::string& text);

}  // namespace peerstage::daemon
