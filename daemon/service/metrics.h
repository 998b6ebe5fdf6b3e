#pragma once

#include <string>

#include "daemon/service/state.h"

namespace peerstage::daemon {

/// Who reads the metrics.
enum class MetricsReader {
  scraper,  ///< Prometheus itself: the process's own figures have the names that are the same everywhere
  /// The textfile collector of node_exporter, which has these names itself, drops those of a file and
  /// complains at every scrape: ours begin with peerstage_ then.
  textfile_collector
};

/// The state in the text format of Prometheus (version 0.0.4). The names are stable; docs/metrics.md lists
/// them.
std::string metrics_text(const ServiceState& state, MetricsReader reader = MetricsReader::scraper);

/// Puts a text into a file by rename, so that a reader sees the old one or the new one. Mode 0644. Throws
/// std::runtime_error with one sentence.
///
/// It writes to ".NAME.new" beside the file, and removes what a killed daemon left there. Nothing is synced:
/// the next text comes soon, none is worth waiting for a disk, and what is there after a power cut is out of
/// date anyway.
void write_metrics_file(const std::string& path, const std::string& text);

}  // namespace peerstage::daemon
