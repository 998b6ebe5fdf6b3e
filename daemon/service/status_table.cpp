#include "daemon/service/status_table.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "daemon/readable.h"
#include "daemon/service/status_headline.h"

namespace peerstage::daemon {
namespace {

using Side = Page::Cell::Side;
using Row = Page::Row;

struct Chosen {
  std::vector<const ServicePeer*> peers;
  std::vector<std::string> unknown;  ///< asked for, but there is none
};

Chosen chosen(const ServiceState& state, const std::vector<std::string>& names) {
  Chosen result;
  std::unordered_set<std::string_view> wanted(names.begin(), names.end());
  for (const auto& peer : state.peers)
    if (names.empty() || wanted.erase(peer.name) > 0) result.peers.push_back(&peer);
  for (const auto& name : names)
    if (wanted.erase(name) > 0) result.unknown.push_back(name);
  return result;
}

bool is_busy(const ServicePeer& peer) {
  return peer.condition >= PeerCondition::waiting;
}

/// The smaller, the more somebody should look at it.
int rank(const ServicePeer& peer) {
  switch (standing(peer)) {
    case PeerCondition::failed:
      return 0;
    case PeerCondition::stale:
      return 1;
    case PeerCondition::not_ready:
      return 2;
    case PeerCondition::never_staged:
      return peer.stale ? 1 : 3;
    case PeerCondition::cancelled:
      return 4;
    default:
      return is_busy(peer) ? 5 : 6;
  }
}

Tone tone(const ServicePeer& peer) {
  if (is_busy(peer)) return Tone::busy;
  if (peer.stale || peer.condition == PeerCondition::failed) return Tone::bad;
  return peer.condition == PeerCondition::good || peer.condition == PeerCondition::ignored ? Tone::good
                                                                                           : Tone::doubtful;
}

std::string words(PeerCondition condition) {
  std::string text = to_string(condition);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string percent(const ServicePeer& peer) {
  if (peer.planned.bytes == 0) return {};
  const double share = static_cast<double>(peer.arrived.bytes) / static_cast<double>(peer.planned.bytes);
  return " " + std::to_string(static_cast<int>(std::min(share, 1.0) * 100)) + "%";
}

std::string again_text(const ServicePeer& peer, WallTime now) {
  if (!peer.again_at) return {};
  const auto delay = std::max(*peer.again_at - now, WallTime::duration::zero());
  return ", again in " + readable_duration(std::chrono::ceil<std::chrono::seconds>(delay));
}

std::string state_text(const ServicePeer& peer, WallTime now) {
  std::string text = words(peer.condition);
  if (peer.condition == PeerCondition::transferring) text += percent(peer);
  if (peer.condition == PeerCondition::put_off) text += again_text(peer, now);
  if (peer.stale && peer.condition != PeerCondition::stale) text += ", stale";
  return text;
}

/// Why it is not good; empty where there is nothing to say.
std::string reason(const ServicePeer& peer) {
  if (peer.put_off_because) return peer.put_off_because->message;
  const std::string often =
      peer.failures_since > 1 ? std::to_string(peer.failures_since) + " runs without a good stage: " : "";
  const PeerCondition stands = standing(peer);
  if (stands == PeerCondition::good || stands == PeerCondition::ignored) return {};
  if (peer.last_failure) return often + peer.last_failure->message;
  if (stands == PeerCondition::never_staged && peer.stale) return "no run has staged it yet";
  return {};
}

Row head() {
  Row head;
  for (const auto& [title, side] :
       {std::pair("peer", Side::left), std::pair("state", Side::left), std::pair("last good", Side::left),
        std::pair("age", Side::right), std::pair("files", Side::right), std::pair("size", Side::right),
        std::pair("attempts", Side::right)})
    head.cells.push_back({title, side, Tone::heading});
  return head;
}

Row row(const ServicePeer& peer, WallTime now) {
  const auto seconds = age(peer, now);
  const unsigned attempts = is_busy(peer) ? peer.attempt : peer.last_attempts;
  return {{{shown(peer.name)},
           {state_text(peer, now), Side::left, tone(peer)},
           {peer.last_good ? readable_time(*peer.last_good) : "never"},
           {seconds ? readable_duration(*seconds) : "-", Side::right, peer.stale ? Tone::bad : Tone::plain},
           {peer.last_good ? std::to_string(peer.files) : "-", Side::right},
           {peer.last_good ? readable_size(peer.bytes) : "-", Side::right},
           {std::to_string(attempts), Side::right}},
          reason(peer)};
}

/// "12 peers: 9 good, 2 failed, 1 not ready; without a recent good stage: 1".
std::string summary(const std::vector<const ServicePeer*>& peers) {
  std::array<std::size_t, 7> counts{};
  std::size_t stale = 0;
  for (const ServicePeer* peer : peers) {
    ++counts.at(static_cast<std::size_t>(standing(*peer)));
    if (peer->stale) ++stale;
  }
  std::string text = std::to_string(peers.size()) + (peers.size() == 1 ? " peer: " : " peers: ");
  bool first = true;
  for (const PeerCondition each :
       {PeerCondition::good, PeerCondition::failed, PeerCondition::not_ready, PeerCondition::stale,
        PeerCondition::never_staged, PeerCondition::cancelled, PeerCondition::ignored}) {
    const std::size_t count = counts.at(static_cast<std::size_t>(each));
    if (count == 0) continue;
    text += (first ? "" : ", ") + std::to_string(count) + " " + words(each);
    first = false;
  }
  const bool told = stale == counts.at(static_cast<std::size_t>(PeerCondition::stale));
  return text + (told ? "" : "; without a recent good stage: " + std::to_string(stale));
}

void write_peers(Page& page, const ServiceState& state, const std::vector<std::string>& names) {
  auto [peers, unknown] = chosen(state, names);
  for (const auto& name : unknown) page.paragraph("there is no peer " + name, Tone::bad);
  if (peers.empty()) {
    if (names.empty()) page.paragraph("no peer is configured", Tone::doubtful);
    return;
  }
  page.paragraph(summary(peers), Tone::heading);
  std::stable_sort(peers.begin(), peers.end(),
                   [](const ServicePeer* a, const ServicePeer* b) { return rank(*a) < rank(*b); });
  std::vector<Row> rows{head()};
  rows.reserve(peers.size() + 1);
  for (const ServicePeer* peer : peers) rows.push_back(row(*peer, state.now));
  page.table(rows);
}

}  // namespace

std::string status_table(const ServiceState& state, const StatusView& view) {
  Page page(view.colour, view.columns);
  write_headline(page, state);
  write_runs(page, state);
  page.blank_line();
  write_jobs(page, state);
  page.blank_line();
  write_peers(page, state, view.peers);
  return page.take();
}

}  // namespace peerstage::daemon
