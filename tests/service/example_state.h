#pragma once

#include <chrono>
#include <string>

#include "daemon/service/state.h"

namespace peerstage::daemon {

/// Friday, 2026-11-20 12:00:00 UTC.
inline WallTime example_now() {
  using namespace std::chrono;
  return sys_days(year(2026) / 11 / 20) + hours(12);
}

inline ServicePeer example_peer(const std::string& name, std::chrono::seconds age) {
  ServicePeer peer;
  peer.name = name;
  peer.type = PeerType::remote;
  peer.condition = PeerCondition::good;
  peer.last_good = example_now() - age;
  peer.files = 12;
  peer.bytes = 123'456;
  peer.last_status = PeerStatus::staged;
  peer.last_duration = std::chrono::milliseconds(840);
  peer.last_attempts = 1;
  return peer;
}

inline ServicePeer failed_peer(const std::string& name, std::chrono::seconds age, const std::string& why) {
  ServicePeer peer = example_peer(name, age);
  peer.condition = PeerCondition::failed;
  peer.last_status = PeerStatus::failed;
  peer.last_failure = peers::Failure{peers::FailureKind::transient, why};
  peer.last_attempts = 4;
  peer.failures_since = 1;
  return peer;
}

/// A daemon at rest: one job, no peers.
inline ServiceState example_state() {
  using namespace std::chrono_literals;
  ServiceState state;
  state.version = "0.1.0";
  state.pid = 4711;
  state.now = example_now();
  state.started = example_now() - 76h;
  state.config_file = "/etc/peerstage.conf";
  state.config_loaded = example_now() - 76h;
  state.stale_after = 36h;
  state.staging_dir = "/var/backup/staging";
  state.jobs.push_back({"nightly", "30 2 * * *", example_now() + 14h + 30min, example_now() - 9h - 30min});
  state.memory_bytes = 20'000'000;
  state.open_descriptors = 17;
  return state;
}

}  // namespace peerstage::daemon
