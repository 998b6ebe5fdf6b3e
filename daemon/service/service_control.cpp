// What others may ask of the service.

#include <algorithm>

#include "daemon/service/running_run.h"
#include "daemon/service/service.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

Refusal unknown(const std::string& what, const std::string& name) {
  return {Refusal::Kind::unknown, "there is no " + what + " " + peers::printable(name)};
}

Refusal conflict(const std::string& message) {
  return {Refusal::Kind::conflict, message};
}

}  // namespace

std::optional<Refusal> Service::refusal() const {
  if (stopping_) return conflict("the daemon is stopping");
  return std::nullopt;
}

std::variant<std::vector<CatalogedRun>, Refusal> Service::history(const HistoryQuery& query) const {
  if (!catalog_) return Refusal{Refusal::Kind::unavailable, catalog_error_.value_or("there is no catalog")};
  try {
    return catalog_->runs(query);
  } catch (const CatalogError& error) {
    return Refusal{Refusal::Kind::unavailable, error.what()};
  }
}

std::variant<CatalogedRun, Refusal> Service::run(const std::string& id) const {
  if (!catalog_) return Refusal{Refusal::Kind::unavailable, catalog_error_.value_or("there is no catalog")};
  try {
    if (auto found = catalog_->run(id)) return std::move(*found);
    return unknown("run", id);
  } catch (const CatalogError& error) {
    return Refusal{Refusal::Kind::unavailable, error.what()};
  }
}

std::variant<RunTicket, Refusal> Service::start_job(const std::string& name) {
  if (const auto refused = refusal()) return *refused;
  const config::Job* job = jobs_.find(name);
  if (job == nullptr) return unknown("job", name);
  if (is_busy_with(name)) return conflict("the job " + name + " is queued or going on already");
  WantedRun run = wanted(*job, RunTrigger::request, std::nullopt);
  RunTicket ticket{run.request.id};
  queue_.add(std::move(run), RunQueue::Place::last);
  begin_soon();
  return ticket;
}

std::variant<RunTicket, Refusal> Service::start_peers(const std::vector<std::string>& peers, bool full) {
  if (const auto refused = refusal()) return *refused;
  for (const std::string& peer : peers) {
    if (std::ranges::find(config_.plan.peers, peer, &config::StagePeer::name) == config_.plan.peers.end())
      return unknown("peer", peer);
  }
  WantedRun run;
  run.origin = {"", RunTrigger::request, std::nullopt, peers, full};
  run.request.id = new_run_id(timeline_.wall_now());
  run.request.peers = peers;
  run.request.full = full;
  RunTicket ticket{run.request.id};
  queue_.add(std::move(run), RunQueue::Place::last);
  begin_soon();
  return ticket;
}

std::variant<RunTicket, Refusal> Service::cancel(const std::string& id) {
  if (running_ && (id.empty() || id == running_->id())) {
    RunTicket ticket{running_->id()};
    running_->cancel();
    return ticket;
  }
  if (id.empty()) return conflict("no run is going on");
  if (!queue_.remove(id)) return unknown("run that is going on or queued:", id);
  return RunTicket{id};
}

std::optional<Refusal> Service::pause() {
  if (auto refused = refusal()) return refused;
  paused_ = true;
  jobs_.pause();
  with_catalog([](Catalog& catalog) { catalog.set_paused(true); });
  log_.info("the schedule is paused");
  tell_status();
  return std::nullopt;
}

std::optional<Refusal> Service::resume() {
  if (auto refused = refusal()) return refused;
  paused_ = false;
  jobs_.resume();
  with_catalog([](Catalog& catalog) { catalog.set_paused(false); });
  log_.info("the schedule goes on");
  tell_status();
  begin_soon();
  return std::nullopt;
}

}  // namespace peerstage::daemon
