#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "daemon/log_fields.h"
#include "peers/descriptor.h"
#include "peers/observer.h"

namespace peerstage::daemon {

/// Lines for the journal, in the protocol of systemd.io/JOURNAL_NATIVE_PROTOCOL. sd_journal_sendv(3) would
/// wait for a journald that does not read; here such a line is lost, and the next that arrives is preceded by
/// the number of those that were. Nothing throws. Text must be printable and without newlines.
class Journal {
 public:
  explicit Journal(std::string socket_path = "/run/systemd/journal/socket");

  void write(peers::EventLevel level, std::string_view text, const LogFields& fields) noexcept;

 private:
  bool send(peers::EventLevel level, std::string_view text, const LogFields& fields) const;

  std::string path_;
  peers::Descriptor socket_;
  std::size_t lost_lines_ = 0;
};

/// Whether what is written to this descriptor goes to the journal: it is what $JOURNAL_STREAM says
/// (systemd.exec(5)).
bool goes_to_journal(int descriptor);

}  // namespace peerstage::daemon
