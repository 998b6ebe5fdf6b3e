#pragma once

#include <cstdint>
#include <string>

namespace peerstage::peers {

enum class EventLevel { debug, info, warning, error };

/// What happens while a peer is worked on, for people who watch. Called from the thread that does the work;
/// must not block for long and must not throw.
class Observer {
 public:
  virtual ~Observer() = default;
  /// The size of the work is known: what has to be fetched (not what stands already).
  virtual void planned(std::uint64_t files, std::uint64_t bytes) = 0;
  /// So much of it has arrived: totals, not differences.
  virtual void progress(std::uint64_t files, std::uint64_t bytes) = 0;
  /// An entry of the collect directory that is left out, e.g. ("a/sock", "socket"). The name is raw bytes.
  virtual void skipped(const std::string& name, const std::string& reason) = 0;
  /// Something worth a line in the log. Printable text.
  virtual void event(EventLevel level, const std::string& text) = 0;
};

}  // namespace peerstage::peers
