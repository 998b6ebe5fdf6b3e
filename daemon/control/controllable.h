#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/finding.h"
#include "daemon/catalog/catalog.h"
#include "daemon/service/state.h"

namespace peerstage::daemon {

/// Why something that was asked for is not done.
struct Refusal {
  enum class Kind {
    unknown,     ///< there is no such job, peer or run
    conflict,    ///< not as things stand: it is queued already, the daemon is stopping
    unavailable  ///< something that is needed for it cannot be had: the catalog, say
  };
  Kind kind = Kind::conflict;
  std::string message;  ///< one printable sentence
};

/// A run that will be, or is.
struct RunTicket {
  std::string id;
};

/// What came of a reload.
struct ReloadResult {
  bool in_force = false;
  std::vector<config::Finding> findings;
};

/// What the control socket can ask of the daemon. Called on the daemon's thread; answers at once.
class Controllable {
 public:
  virtual ~Controllable() = default;
  virtual ServiceState state() const = 0;
  /// How many peers the configuration has: how long a state or a run of all of them is.
  virtual std::size_t peer_count() const = 0;
  virtual std::variant<std::vector<CatalogedRun>, Refusal> history(const HistoryQuery& query) const = 0;
  virtual std::variant<CatalogedRun, Refusal> run(const std::string& id) const = 0;
  virtual std::variant<RunTicket, Refusal> start_job(const std::string& job) = 0;
  virtual std::variant<RunTicket, Refusal> start_peers(const std::vector<std::string>& peers, bool full) = 0;
  /// A run that is going on or queued; empty: the one that is going on.
  virtual std::variant<RunTicket, Refusal> cancel(const std::string& run) = 0;
  virtual std::optional<Refusal> pause() = 0;
  virtual std::optional<Refusal> resume() = 0;
  virtual ReloadResult reload() = 0;
};

}  // namespace peerstage::daemon
