#include "daemon/service/notification.h"

#include <array>
#include <optional>

#include <unistd.h>

#include "daemon/readable.h"
#include "daemon/report_json.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using Time = std::chrono::system_clock::time_point;

constexpr std::size_t names_in_subject = 5;

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

/// "web1, web2 and 3 more".
std::string enumerated(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < names_in_subject; ++i)
    text += (text.empty() ? "" : ", ") + names[i];
  if (names.size() > names_in_subject)
    text += " and " + std::to_string(names.size() - names_in_subject) + " more";
  return text;
}

std::vector<std::string> names_with(const RunReport& report, PeerStatus status) {
  std::vector<std::string> names;
  for (const PeerReport& peer : report.peers)
    if (peer.status == status) names.push_back(peer.name);
  return names;
}

std::string peer_count(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " peer" : " peers");
}

/// Of peers, of actions of this machine, or of both.
std::string failure(const RunReport& report) {
  const auto names = names_with(report, PeerStatus::failed);
  std::string text = "failed";
  if (!names.empty()) {
    text += " with " + std::to_string(names.size()) + " of " + peer_count(report.peers.size()) + ": " +
            enumerated(names);
  }
  std::string separator = names.empty() ? ": " : "; ";
  for (const ActionReport& action : report.actions) {
    if (action.status != ActionReport::Status::failed) continue;
    text += separator + action.action + " of this machine";
    separator = ", ";
  }
  return text;
}

/// What a run came to, in a few words.
std::string verdict(config::NotifyOn event, const RunReport& report) {
  const std::string again = event == config::NotifyOn::recovery ? " again" : "";
  const std::string of_all = " of " + peer_count(report.peers.size());
  switch (status(report)) {
    case RunStatus::ok:
      return "ok" + again + ", " + peer_count(report.peers.size());
    case RunStatus::failed:
      return failure(report);
    case RunStatus::not_ready: {
      const auto names = names_with(report, PeerStatus::not_ready);
      return std::to_string(names.size()) + of_all + " not ready: " + enumerated(names);
    }
    case RunStatus::interrupted:
      return "interrupted";
    case RunStatus::error:
      break;
  }
  return "could not be done";
}

std::string run_document(config::NotifyOn event, const RunReport& report, const std::string& job,
                         const std::string& host) {
  const Json run = Json::parse(to_json(report));
  Json document{{"version", run.at("version")},
                {"event", to_string(event)},
                {"job", text_or_null(job)},
                {"host", host}};
  document["run"] = run.at("run");
  document["peers"] = run.at("peers");
  return document_text(document);
}

std::chrono::seconds age_of(Time last_good, Time now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now - last_good);
}

Json stale_peer(const StalePeer& peer, Time now) {
  Json entry{{"name", peer.name}, {"last_good", nullptr}, {"age_seconds", nullptr}};
  if (peer.last_good) {
    entry["last_good"] = utc(*peer.last_good);
    entry["age_seconds"] = age_of(*peer.last_good, now).count();
  }
  return entry;
}

std::string stale_line(const StalePeer& peer, Time now) {
  if (!peer.last_good) return peer.name + ": was never staged\n";
  return peer.name + ": last staged " + readable_duration(age_of(*peer.last_good, now)) + " ago, " +
         utc(*peer.last_good) + "\n";
}

}  // namespace

Notification run_notification(config::NotifyOn event, const RunReport& report, const std::string& job,
                              const std::string& host) {
  const std::string shown_job = peers::printable(job);
  const std::string what = job.empty() ? report.action : shown_job;
  const std::string ended = to_string(status(report));
  return {event,
          report.id,
          shown_job,
          ended,
          "peerstage on " + host + ": " + what + ": " + verdict(event, report),
          run_document(event, report, shown_job, host),
          "Run " + report.id + " of " + iso_date(report.date) + (job.empty() ? "" : ", job " + shown_job) +
              ", on " + host + ": " + verdict(event, report) + ".\nBegun " + utc(report.started) +
              ", ended " + utc(report.finished) + ".\n\n" + summary_table(report)};
}

Notification stale_notification(const std::vector<StalePeer>& peers, const std::string& host, Time now) {
  std::vector<std::string> names;
  Json entries = Json::array();
  std::string lines;
  for (const StalePeer& peer : peers) {
    names.push_back(peer.name);
    entries.push_back(stale_peer(peer, now));
    lines += stale_line(peer, now);
  }
  return {config::NotifyOn::stale,
          "",
          "",
          "stale",
          "peerstage on " + host + ": " + peer_count(peers.size()) + " stale: " + enumerated(names),
          document_text({{"version", 1}, {"event", "stale"}, {"host", host}, {"peers", entries}}),
          "These peers have had no good stage for too long (stale_after):\n\n" + lines};
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "localhost";
  return peers::printable(name.data());
}

}  // namespace peerstage::daemon
