#include "daemon/journal.h"

#include <cstdlib>
#include <cstring>
#include <syslog.h>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace peerstage::daemon {
namespace {

/// Longer ones would have to go into a sealed file in memory; no line of ours needs it.
constexpr std::size_t longest_text = 32'768;

int priority(peers::EventLevel level) {
  switch (level) {
    case peers::EventLevel::debug:
      return LOG_DEBUG;
    case peers::EventLevel::info:
      return LOG_INFO;
    case peers::EventLevel::warning:
      return LOG_WARNING;
    case peers::EventLevel::error:
      return LOG_ERR;
  }
  return LOG_ERR;
}

/// A value with a newline would begin a field of its own, so it is no value.
void append(std::string& entry, std::string_view name, std::string_view value) {
  if (value.empty() || value.find('\n') != std::string_view::npos) return;
  entry.append(name).append("=").append(value.substr(0, longest_text)).append("\n");
}

}  // namespace

Journal::Journal(std::string socket_path)
    : path_(std::move(socket_path)),
      socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}

void Journal::write(peers::EventLevel level, std::string_view text, const LogFields& fields) noexcept try {
  if (lost_lines_ > 0) {
    const std::string loss =
        "the journal did not take " + std::to_string(lost_lines_) + " lines before this one";
    if (send(peers::EventLevel::warning, loss, {})) lost_lines_ = 0;
  }
  if (!send(level, text, fields)) ++lost_lines_;
} catch (...) {  // out of memory: a line is not worth a run
}

bool Journal::send(peers::EventLevel level, std::string_view text, const LogFields& fields) const {
  std::string entry = "SYSLOG_IDENTIFIER=peerstage\n";
  append(entry, "PRIORITY", std::to_string(priority(level)));
  append(entry, "PEERSTAGE_PEER", fields.peer);
  append(entry, "PEERSTAGE_RUN", fields.run);
  append(entry, "MESSAGE_ID", fields.message_id);
  append(entry, "MESSAGE", text.empty() ? " " : text);

  // Named each time: a journald that was restarted has a new socket there.
  sockaddr_un address{AF_UNIX, {}};
  if (path_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  return ::sendto(socket_.get(), entry.data(), entry.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
}

bool goes_to_journal(int descriptor) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(descriptor, &status) != 0) return false;
  return stream == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

}  // namespace peerstage::daemon
