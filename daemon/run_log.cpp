#include "daemon/run_log.h"

#include <utility>

#include "daemon/message_ids.h"
#include "daemon/readable.h"

namespace peerstage::daemon {

RunLog::RunLog(Log& log, std::string run, peers::staging::RunMode mode)
    : log_(log), run_(std::move(run)), is_dry_(mode == peers::staging::RunMode::dry_run) {}

void RunLog::begun(const RunReport& report) {
  for (const PeerReport& peer : report.peers) peers_.push_back(peer.name);
}

void RunLog::started(std::size_t peer, unsigned attempt) {
  write(peers::EventLevel::debug, peer, "attempt " + std::to_string(attempt));
}

void RunLog::event(std::size_t peer, const WorkEvent& event) {
  write(event.level, peer, event.text);
}

void RunLog::action_begun(std::size_t peer, const std::string& action) {
  write(peers::EventLevel::info, peer, "the managed action " + action + " begins");
}

void RunLog::action_ended(std::size_t peer, const ActionReport& report) {
  if (report.failure)
    write(peers::EventLevel::error, peer, report.failure->message);
  else
    write(peers::EventLevel::info, peer,
          "the managed action " + report.action + " is done, " + readable_duration(report.duration));
}

void RunLog::put_off(std::size_t peer, const WorkResult& result, std::chrono::milliseconds delay) {
  const bool is_failure = result.failure != peers::FailureKind::not_ready;
  write(is_failure ? peers::EventLevel::warning : peers::EventLevel::info, peer,
        result.message + "; looking again in " + readable_duration(delay));
}

void RunLog::finished(std::size_t peer, const PeerReport& report) {
  if (report.skipped_unlisted > 0) {
    write(peers::EventLevel::warning, peer,
          std::to_string(report.skipped_unlisted) + " more entries were left out than are listed");
  }
  write_end(peer, report);
}

void RunLog::held(std::optional<Timeline::Wall> until) {
  note(peers::EventLevel::info, until
                                    ? "no transfer starts before " + readable_time(*until) + " (not_between)"
                                    : std::string("transfers may start again (not_between)"));
}

void RunLog::note(peers::EventLevel level, const std::string& text) {
  LogFields fields;
  fields.run = run_;
  log_.write(level, text, fields);
}

void RunLog::write(peers::EventLevel level, std::size_t peer, const std::string& text,
                   std::string_view message_id) {
  const LogFields fields{peers_[peer], run_, message_id};
  log_.write(level, "peer " + peers_[peer] + ": " + text, fields);
}

void RunLog::write_end(std::size_t peer, const PeerReport& report) {
  const std::string why = report.failure ? report.failure->message : std::string();
  switch (report.status) {
    case PeerStatus::staged:
      write(peers::EventLevel::info, peer,
            (is_dry_ ? "would stage " : "staged ") + std::to_string(report.files) + " files, " +
                readable_size(report.bytes) + ", in " + readable_duration(report.duration));
      break;
    case PeerStatus::unchanged:
      write(peers::EventLevel::info, peer, "unchanged, " + std::to_string(report.files) + " files");
      break;
    case PeerStatus::ignored:
      write(peers::EventLevel::info, peer, why);
      break;
    case PeerStatus::not_ready:
      write(peers::EventLevel::error, peer, why);
      break;
    case PeerStatus::failed:
      write(peers::EventLevel::error, peer, why, message_ids::peer_failed);
      break;
    case PeerStatus::cancelled:
      write(peers::EventLevel::warning, peer, why);
      break;
  }
}

}  // namespace peerstage::daemon
