#pragma once

#include <cstdint>
#include <string>

#include "daemon/log.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Puts what an action on this machine tells into the log, which must outlive it.
class ActionLog final : public peers::Observer {
 public:
  explicit ActionLog(Log& log) : log_(log) {}
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(peers::EventLevel level, const std::string& text) override { log_.write(level, text); }

 private:
  Log& log_;
};

}  // namespace peerstage::daemon
