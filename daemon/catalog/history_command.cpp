#include "daemon/catalog/history_command.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <iostream>
#include <stdexcept>

#include "config/values.h"
#include "daemon/catalog/catalog_json.h"
#include "daemon/catalog/open_catalog.h"
#include "daemon/readable.h"
#include "daemon/text_table.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using std::chrono::system_clock;

std::string local_time(system_clock::time_point when) {
  const std::time_t seconds = system_clock::to_time_t(when);
  std::tm broken_down{};
  ::localtime_r(&seconds, &broken_down);
  std::array<char, 16> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%H:%M:%S", &broken_down)};
}

std::string job_of(const CatalogedRun& run) {
  return run.origin.job.empty() ? to_string(run.origin.trigger) : peers::printable(run.origin.job);
}

/// A peer that is not done in a run that is not over has not been cancelled.
bool is_still_to_do(const CatalogedRun& run, const PeerReport& peer) {
  return !run.over && peer.status == PeerStatus::cancelled;
}

/// What the table calls a run that still goes on, or was interrupted and will be gone on with.
std::string status_of(const CatalogedRun& run) {
  return run.over ? to_string(status(run.report)) : "unfinished";
}

std::string duration_of(const CatalogedRun& run) {
  if (!run.over) return "-";
  const auto duration =
      std::chrono::duration_cast<std::chrono::milliseconds>(run.report.finished - run.report.started);
  return readable_duration(std::max(duration, std::chrono::milliseconds(0)));
}

std::vector<std::string> row_of(const CatalogedRun& run) {
  std::uint64_t bytes = 0;
  std::size_t good = 0, bad = 0;
  for (const PeerReport& peer : run.report.peers) {
    bytes += peer.bytes;
    if (is_good(peer.status)) {
      ++good;
    } else if (peer.status != PeerStatus::ignored && !is_still_to_do(run, peer)) {
      ++bad;
    }
  }
  return {iso_date(run.report.date),
          local_time(run.report.started),
          job_of(run),
          status_of(run),
          std::to_string(good),
          std::to_string(bad),
          readable_size(bytes),
          duration_of(run)};
}

std::string runs_table(const std::vector<CatalogedRun>& runs) {
  TextTable table({{"date", Align::left},
                   {"start", Align::left},
                   {"job", Align::left},
                   {"status", Align::left},
                   {"ok", Align::right},
                   {"failed", Align::right},
                   {"size", Align::right},
                   {"time", Align::right}});
  for (const CatalogedRun& run : runs) table.add(row_of(run));
  return table.text();
}

std::vector<std::string> row_of(const CatalogedRun& run, const PeerReport& peer) {
  return {iso_date(run.report.date),
          local_time(run.report.started),
          job_of(run),
          is_still_to_do(run, peer) ? "unfinished" : to_string(peer.status),
          std::to_string(peer.files),
          readable_size(peer.bytes),
          std::to_string(peer.attempts),
          readable_duration(peer.duration),
          peer.failure ? peer.failure->message : ""};
}

std::string peer_table(const std::vector<CatalogedRun>& runs, const std::string& name) {
  TextTable table({{"date", Align::left},
                   {"start", Align::left},
                   {"job", Align::left},
                   {"status", Align::left},
                   {"files", Align::right},
                   {"size", Align::right},
                   {"attempts", Align::right},
                   {"time", Align::right},
                   {"why", Align::left}});
  for (const CatalogedRun& run : runs) {
    for (const PeerReport& peer : run.report.peers)
      if (peer.name == name) table.add(row_of(run, peer));
  }
  return table.text();
}

system_clock::time_point begin_of_day(std::chrono::year_month_day date) {
  std::tm day{};
  day.tm_year = static_cast<int>(date.year()) - 1900;
  day.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
  day.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
  day.tm_isdst = -1;
  return system_clock::from_time_t(::mktime(&day));
}

}  // namespace

std::string history_table(const std::vector<CatalogedRun>& runs, const std::optional<std::string>& peer) {
  return peer ? peer_table(runs, *peer) : runs_table(runs);
}

system_clock::time_point begin_of_history(const std::string& since, system_clock::time_point now) {
  if (const auto date = parse_iso_date(since)) return begin_of_day(*date);
  try {
    return now - config::as_duration(since);
  } catch (const config::BadValue&) {
    throw std::runtime_error("--since " + peers::printable(since, 100) +
                             ": must be a date like 2026-11-20 or a duration like 7d");
  }
}

ExitCode show_history(const HistoryCommand& command) {
  HistoryQuery query{command.peer, std::nullopt, command.limit};
  try {
    if (command.since) query.since = begin_of_history(*command.since, system_clock::now());
  } catch (const std::runtime_error& error) {
    std::cerr << "peerstage history: " << error.what() << '\n';
    return ExitCode::command_line;
  }
  const auto format = command.json ? FindingsFormat::json : FindingsFormat::text;
  return with_catalog("history", command.config_path, format, [&](const Catalog& catalog) {
    const auto runs = catalog.runs(query);
    std::cout << (command.json ? to_json(runs) : history_table(runs, command.peer)) << std::flush;
    return ExitCode::ok;
  });
}

}  // namespace peerstage::daemon
