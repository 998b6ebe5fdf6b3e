#include "daemon/service/state.h"

#include <algorithm>
#include <array>
#include <utility>

namespace peerstage::daemon {
namespace {

constexpr std::array<std::pair<PeerCondition, const char*>, 12> words{{
    {PeerCondition::never_staged, "never_staged"},
    {PeerCondition::good, "good"},
    {PeerCondition::ignored, "ignored"},
    {PeerCondition::not_ready, "not_ready"},
    {PeerCondition::failed, "failed"},
    {PeerCondition::cancelled, "cancelled"},
    {PeerCondition::stale, "stale"},
    {PeerCondition::waiting, "waiting"},
    {PeerCondition::connecting, "connecting"},
    {PeerCondition::transferring, "transferring"},
    {PeerCondition::put_off, "put_off"},
    {PeerCondition::paused, "paused"},
}};

}  // namespace

const char* to_string(PeerCondition condition) {
  for (const auto& [each, word] : words)
    if (each == condition) return word;
  return "never_staged";
}

std::optional<PeerCondition> condition_named(std::string_view word) {
  for (const auto& [condition, each] : words)
    if (each == word) return condition;
  return std::nullopt;
}

/// A complaint of the last run says more than that it is long ago.
PeerCondition standing(const ServicePeer& peer) {
  if (peer.last_status == PeerStatus::failed) return PeerCondition::failed;
  if (peer.last_status == PeerStatus::not_ready) return PeerCondition::not_ready;
  if (peer.stale && peer.last_good) return PeerCondition::stale;
  if (peer.last_status == PeerStatus::ignored) return PeerCondition::ignored;
  if (peer.last_status == PeerStatus::cancelled) return PeerCondition::cancelled;
  return peer.last_good ? PeerCondition::good : PeerCondition::never_staged;
}

std::optional<std::chrono::seconds> age(const ServicePeer& peer, WallTime now) {
  if (!peer.last_good) return std::nullopt;
  return std::chrono::floor<std::chrono::seconds>(
      std::max(now - *peer.last_good, WallTime::duration::zero()));
}

void count(ServiceCounters& counters, RunStatus status) {
  switch (status) {
    case RunStatus::ok:
      ++counters.runs_ok;
      break;
    case RunStatus::failed:
      ++counters.runs_failed;
      break;
    case RunStatus::not_ready:
      ++counters.runs_not_ready;
      break;
    case RunStatus::interrupted:
      ++counters.runs_interrupted;
      break;
    case RunStatus::error:
      ++counters.runs_error;
      break;
  }
}

}  // namespace peerstage::daemon
