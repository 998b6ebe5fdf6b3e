#include "daemon/service/resumption.h"

#include <algorithm>
#include <iterator>

#include <boost/filesystem/path.hpp>

#include "peers/staging/staging_area.h"

namespace peerstage::daemon {
namespace {

bool is_configured(const config::StagePlan& plan, const std::string& peer) {
  return std::ranges::find(plan.peers, peer, &config::StagePeer::name) != plan.peers.end();
}

/// Peers that were asked for may be configured no more.
bool has_peers(const CatalogedRun& run, const config::StagePlan& plan) {
  const auto& selected = run.origin.selected;
  return selected.empty() ||
         std::ranges::any_of(selected, [&](const std::string& peer) { return is_configured(plan, peer); });
}

std::string day_of(const config::StagePlan& plan, std::chrono::year_month_day date) {
  return (boost::filesystem::path(plan.staging_dir) / peers::staging::day_path(date)).string();
}

}  // namespace

Resumption judge_unfinished(const CatalogedRun& run, const config::StagePlan& plan, CatchUp catch_up,
                            std::chrono::year_month_day today) {
  if (run.origin.trigger == RunTrigger::command_line || run.origin.trigger == RunTrigger::rebuilt)
    return Resumption::leave;
  if (!has_peers(run, plan)) return Resumption::close;
  const bool is_of_today = run.report.date == today && run.report.daily_dir == day_of(plan, today);
  if (is_of_today) return Resumption::go_on;
  return catch_up == CatchUp::yes ? Resumption::begin_again : Resumption::close;
}

StageRequest rest_of(const CatalogedRun& run, const config::StagePlan& plan) {
  StageRequest request;
  request.id = run.report.id;
  request.date = run.report.date;
  request.full = run.origin.full;
  for (const std::string& peer : run.origin.selected)
    if (is_configured(plan, peer)) request.peers.push_back(peer);
  std::ranges::copy_if(
      run.report.actions, std::back_inserter(request.local_done),
      [](const ActionReport& action) { return action.status != ActionReport::Status::cancelled; });
  for (const PeerReport& peer : run.report.peers) {
    if (!is_configured(plan, peer.name)) continue;
    if (peer.status != PeerStatus::cancelled) request.done.push_back(peer);
    for (const ActionReport& action : peer.actions)
      if (action.begun) request.actions_done[peer.name].push_back(action);
  }
  return request;
}

}  // namespace peerstage::daemon
