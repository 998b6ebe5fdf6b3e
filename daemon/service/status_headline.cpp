#include "daemon/service/status_headline.h"

#include <algorithm>

#include "daemon/readable.h"

namespace peerstage::daemon {
namespace {

using std::chrono::milliseconds;
using Row = Page::Row;

milliseconds between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<milliseconds>(std::max(to - from, WallTime::duration::zero()));
}

/// Who wanted a run: "of nightly", "of nightly, caught up", "of web1, web2, by request".
std::string origin_text(const RunOrigin& origin) {
  constexpr std::size_t most_names = 5;
  std::string text;
  if (!origin.job.empty()) text += " of " + origin.job;
  for (std::size_t i = 0; i < std::min(origin.selected.size(), most_names); ++i)
    text += (i > 0 ? ", " : text.empty() ? " of " : ", only ") + origin.selected[i];
  if (origin.selected.size() > most_names)
    text += " and " + std::to_string(origin.selected.size() - most_names) + " more";
  if (origin.full) text += ", full";
  if (origin.trigger == RunTrigger::catch_up) text += ", caught up";
  if (origin.trigger == RunTrigger::request) text += ", by request";
  return text;
}

std::string rest_text(const ServiceRun& run) {
  if (run.unplanned > 0 || run.planned.bytes <= run.arrived.bytes) return {};
  return left_text(run.planned.bytes - run.arrived.bytes, run.bytes_per_second);
}

std::string progress_text(const ServiceRun& run) {
  std::string text = std::to_string(run.done) + " of " + std::to_string(run.peers) + " peers done";
  if (run.failed > 0) text += ", " + std::to_string(run.failed) + " failed";
  if (run.not_ready > 0) text += ", " + std::to_string(run.not_ready) + " not ready";
  return text + ", " + readable_size(run.arrived.bytes) + (run.unplanned > 0 ? " of at least " : " of ") +
         readable_size(run.planned.bytes) + speed_text(run.bytes_per_second) + rest_text(run);
}

std::string next_run_text(const ServiceJob& job, const ServiceState& state) {
  if (!job.next_run) return state.paused ? "paused" : "never";
  return readable_time(*job.next_run) + ", in " + readable_duration(between(state.now, *job.next_run));
}

}  // namespace

void write_headline(Page& page, const ServiceState& state) {
  page.paragraph("peerstage " + state.version + " is up since " + readable_time(state.started) + " (" +
                     readable_duration(between(state.started, state.now)) + "), pid " +
                     std::to_string(state.pid) + ", configuration " + state.config_file + " of " +
                     readable_time(state.config_loaded),
                 Tone::heading);
  if (state.stopping) page.paragraph("The daemon is stopping: nothing new is begun.", Tone::doubtful);
  if (state.paused)
    page.paragraph("The schedule is paused: no job begins by itself until `peerstage resume`.",
                   Tone::doubtful);
  if (state.config_error)
    page.paragraph("The configuration was read again and is wrong, so the one before stays in force: " +
                       *state.config_error,
                   Tone::bad);
  if (state.catalog_error)
    page.paragraph("The catalog cannot be used (staging goes on, history does not): " + *state.catalog_error,
                   Tone::bad);
}

void write_runs(Page& page, const ServiceState& state) {
  if (state.run) {
    const ServiceRun& run = *state.run;
    page.paragraph("running: " + run.id + origin_text(run.origin) + ", since " + readable_time(run.started) +
                       " (" + readable_duration(between(run.started, state.now)) + ")" +
                       (run.interruptions > 0 ? ", gone on with after an interruption" : ""),
                   Tone::busy);
    page.paragraph(progress_text(run), Tone::plain, 2);
    if (run.held_until)
      page.paragraph("no transfer starts before " + readable_time(*run.held_until) + " (not_between)",
                     Tone::doubtful, 2);
  } else {
    page.paragraph("no run is going on");
  }
  for (const auto& queued : state.queue)
    page.paragraph("queued: " + queued.id + origin_text(queued.origin) +
                   (queued.why_waiting.empty() ? "" : ": " + queued.why_waiting));
}

void write_jobs(Page& page, const ServiceState& state) {
  if (state.jobs.empty()) return page.paragraph("no job is scheduled", Tone::doubtful);
  std::vector<Row> rows{{{{"job"}, {"schedule"}, {"next run"}}, {}}};
  for (auto& cell : rows.front().cells) cell.tone = Tone::heading;
  for (const auto& job : state.jobs)
    rows.push_back({{{shown(job.name)}, {shown(job.schedule)}, {next_run_text(job, state)}}, {}});
  page.table(rows);
}

}  // namespace peerstage::daemon
