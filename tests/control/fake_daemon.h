#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "daemon/control/controllable.h"

namespace peerstage::test {

/// A daemon that does nothing but remember what it was asked for.
class FakeDaemon final : public daemon::Controllable {
 public:
  using Ticket = std::variant<daemon::RunTicket, daemon::Refusal>;

  daemon::ServiceState told_state;
  std::vector<daemon::CatalogedRun> told_runs;
  std::optional<daemon::Refusal> refusal;  ///< to everything but the state
  daemon::ReloadResult told_reload{true, {}};
  bool breaks = false;
  mutable std::vector<std::string> asked;

  FakeDaemon() {
    told_state.version = "1.2.3";
    told_state.jobs = {{"nightly", "30 2 * * *", {}, {}}};
    add_peer("web1");
    add_peer("db1");
    daemon::CatalogedRun run;
    run.report.id = "run-1";
    run.over = true;
    told_runs = {run};
  }

  void add_peer(const std::string& name) {
    daemon::ServicePeer peer;
    peer.name = name;
    told_state.peers.push_back(peer);
  }

  daemon::ServiceState state() const override {
    if (breaks) throw std::runtime_error("out\nof order");
    return told_state;
  }
  std::size_t peer_count() const override { return told_state.peers.size(); }
  std::variant<std::vector<daemon::CatalogedRun>, daemon::Refusal> history(
      const daemon::HistoryQuery& query) const override {
    const auto since = query.since ? std::to_string(std::chrono::system_clock::to_time_t(*query.since)) : "-";
    asked.push_back("history " + query.peer.value_or("-") + " " + since + " " + std::to_string(query.limit));
    if (refusal) return *refusal;
    return told_runs;
  }
  std::variant<daemon::CatalogedRun, daemon::Refusal> run(const std::string& id) const override {
    asked.push_back("run " + id);
    for (const auto& run : told_runs)
      if (run.report.id == id) return run;
    return daemon::Refusal{daemon::Refusal::Kind::unknown, "there is no such run"};
  }
  Ticket start_job(const std::string& job) override { return ticket("job " + job); }
  Ticket start_peers(const std::vector<std::string>& peers, bool full) override {
    std::string text = full ? "full peers" : "peers";
    for (const auto& peer : peers) text += " " + peer;
    return ticket(text);
  }
  Ticket cancel(const std::string& run) override { return ticket("cancel " + run); }
  std::optional<daemon::Refusal> pause() override {
    asked.push_back("pause");
    return refusal;
  }
  std::optional<daemon::Refusal> resume() override {
    asked.push_back("resume");
    return refusal;
  }
  daemon::ReloadResult reload() override {
    asked.push_back("reload");
    return told_reload;
  }

 private:
  Ticket ticket(const std::string& what) {
    asked.push_back(what);
    if (refusal) return *refusal;
    return daemon::RunTicket{"run-2"};
  }
};

}  // namespace peerstage::test
