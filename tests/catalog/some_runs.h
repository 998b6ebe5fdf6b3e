#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"

/// Runs as a daemon would report them.
namespace peerstage::daemon {

inline constexpr std::chrono::year_month_day that_day{std::chrono::year(2026), std::chrono::month(11),
                                                      std::chrono::day(20)};

inline std::chrono::system_clock::time_point at_hour(int hour, std::chrono::year_month_day day = that_day) {
  return std::chrono::sys_days(day) + std::chrono::hours(hour);
}

inline PeerReport peer_of(const std::string& name, PeerStatus status, std::uint64_t files = 0,
                          std::uint64_t bytes = 0) {
  PeerReport report;
  report.name = name;
  report.type = PeerType::remote;
  report.status = status;
  report.files = files;
  report.bytes = bytes;
  report.attempts = status == PeerStatus::cancelled ? 0 : 1;
  report.duration = std::chrono::milliseconds(status == PeerStatus::cancelled ? 0 : 1500);
  if (status == PeerStatus::failed)
    report.failure = peers::Failure{peers::FailureKind::transient, "the line to " + name + " broke"};
  return report;
}

/// As a run begins: no peer is done.
inline RunReport run_of(const std::string& id, const std::vector<std::string>& peers, int hour = 2) {
  RunReport report;
  report.id = id;
  report.date = that_day;
  report.started = at_hour(hour);
  report.daily_dir = "/staging/2026/11/20";
  for (const std::string& peer : peers) report.peers.push_back(peer_of(peer, PeerStatus::cancelled));
  return report;
}

inline WorkFile file_of(const std::string& name, std::uint64_t size = 5) {
  WorkFile file;
  file.name = name;
  file.size = size;
  file.sha256.fill(static_cast<std::uint8_t>(size));
  file.source_mtime = 1'700'000'000;
  return file;
}

/// The whole of a run that went well.
inline RunReport record(Catalog& catalog, RunReport report, const std::vector<PeerReport>& results) {
  catalog.begin_run(report, {});
  for (const PeerReport& result : results) {
    catalog.begin_peer(report.id, result.name);
    catalog.end_peer(report.id, result);
  }
  report.peers = results;
  report.finished = report.started + std::chrono::minutes(10);
  catalog.end_run(report);
  return report;
}

/// What can be told apart of a report, as one text.
inline std::string text_of(const RunReport& report) {
  return to_json(report) + std::to_string(report.started.time_since_epoch().count()) + " " +
         std::to_string(report.finished.time_since_epoch().count()) + " " + report.daily_dir;
}

}  // namespace peerstage::daemon
