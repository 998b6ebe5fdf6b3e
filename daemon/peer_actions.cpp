#include "daemon/peer_actions.h"

#include <algorithm>

namespace peerstage::daemon {
namespace {

using Status = ActionReport::Status;
using std::chrono::milliseconds;

std::string joined(const std::string& first, const char* between, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + between + second;
}

}  // namespace

PeerActions::PeerActions(const std::vector<std::string>& before, const std::vector<std::string>& after)
    : before_(before.size()) {
  for (const auto* actions : {&before, &after})
    for (const std::string& action : *actions) steps_.emplace_back().action = action;
}

void PeerActions::begin(std::size_t step, Timeline::Steady now) {
  steps_[step].state = State::begun;
  steps_[step].was_begun = true;
  steps_[step].since = now;
}

void PeerActions::end(const WorkStepEnded& end) {
  Step& step = steps_[end.step];
  step.state = State::over;
  step.may_go_on = step.was_begun && end.may_go_on();
  step.report.begun = step.was_begun;
  step.report.status = end.failure ? Status::failed : Status::ok;
  step.report.exit_status = end.exit_status;
  step.report.signal = end.signal;
  step.report.duration = milliseconds(static_cast<milliseconds::rep>(end.milliseconds));
  if (end.failure) step.report.failure = peers::Failure{*end.failure, end.message};
}

void PeerActions::remember(const ActionReport& done) {
  const auto step = std::ranges::find(steps_, done.action, &Step::action);
  if (step == steps_.end() || step->state != State::ahead) return;
  step->state = State::over;
  step->was_begun = true;
  step->report = done;
  // Cancelled was what it was then. Now it is one of which nothing more will be known.
  if (done.status == Status::cancelled) step->report.status = Status::failed;
  step->may_go_on = !done.exit_status && done.signal.empty();
}

bool PeerActions::goes_on_unwatched() const {
  return std::any_of(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(before_),
                     [](const Step& step) { return step.state == State::begun || step.may_go_on; });
}

std::set<std::size_t> PeerActions::settled() const {
  std::set<std::size_t> settled;
  const bool is_unsafe = goes_on_unwatched();
  for (std::size_t step = 0; step < steps_.size(); ++step)
    if (steps_[step].state != State::ahead || (is_after(step) && is_unsafe)) settled.insert(step);
  return settled;
}

ActionReport PeerActions::report(std::size_t step) const {
  ActionReport report = steps_[step].report;
  report.action = steps_[step].action;
  return report;
}

ActionReport PeerActions::report_of_begun(const Step& step, const PeerOutcome& outcome,
                                          Timeline::Steady now) const {
  ActionReport report;
  report.begun = true;
  report.duration = std::chrono::duration_cast<milliseconds>(now - step.since);
  report.status = outcome.cancelled ? Status::cancelled : Status::failed;
  const auto kind = outcome.cancelled ? peers::FailureKind::cancelled : peers::FailureKind::permanent;
  report.failure =
      peers::Failure{kind, "the managed action " + step.action + " was begun, and may still be going on"};
  return report;
}

ActionReport PeerActions::report_of_ahead(std::size_t step, const PeerOutcome& outcome) const {
  ActionReport report;
  const std::string not_run = "the managed action " + steps_[step].action + " was not run: ";
  if (outcome.cancelled) {
    report.status = Status::cancelled;
    report.failure = peers::Failure{peers::FailureKind::cancelled, not_run + "the run was interrupted"};
  } else if (is_after(step) && !is_staged(outcome)) {
    report.status = Status::refused;
    report.failure = peers::Failure{peers::FailureKind::permanent, not_run + "the peer was not staged"};
  } else if (is_after(step) && goes_on_unwatched()) {
    report.status = Status::refused;
    report.failure = peers::Failure{peers::FailureKind::permanent,
                                    not_run + "what was begun before may still be going on"};
  } else {
    report.status = Status::failed;
    report.failure = outcome.result.failure
                         ? peers::Failure{*outcome.result.failure, outcome.result.message}
                         : peers::Failure{peers::FailureKind::permanent, not_run + "its worker left it out"};
  }
  return report;
}

std::vector<ActionReport> PeerActions::reports(const PeerOutcome& outcome, Timeline::Steady now) const {
  std::vector<ActionReport> reports;
  for (std::size_t step = 0; step < steps_.size(); ++step) {
    const State state = steps_[step].state;
    reports.push_back(state == State::over    ? steps_[step].report
                      : state == State::begun ? report_of_begun(steps_[step], outcome, now)
                                              : report_of_ahead(step, outcome));
    reports.back().action = steps_[step].action;
  }
  return reports;
}

/// Of what was begun, or will never be; what could not be begun is the outcome's own failure.
std::string PeerActions::failures(std::size_t from, std::size_t to,
                                  const std::vector<ActionReport>& reports) const {
  std::string text;
  for (std::size_t step = from; step < to; ++step) {
    if (reports[step].status != Status::failed || steps_[step].state == State::ahead) continue;
    text = joined(text, "; ", reports[step].failure->message);
  }
  return text;
}

void PeerActions::judge(PeerReport& report, const PeerOutcome& outcome, Timeline::Steady now) const {
  if (steps_.empty()) return;
  report.actions = reports(outcome, now);
  if (staged_ && outcome.result.failure) {
    report.files = staged_->files;
    report.bytes = staged_->bytes;
    report.reused_files = staged_->reused_files;
  }
  const std::string before = failures(0, before_, report.actions);
  const std::string after = failures(before_, steps_.size(), report.actions);
  if (outcome.cancelled || (before.empty() && after.empty())) return;
  std::string of_data = report.failure ? report.failure->message : std::string();
  if (is_good(report.status))
    of_data = after.empty() ? "the data that was there is staged" : "the data is staged";
  report.status = PeerStatus::failed;
  report.failure = peers::Failure{peers::FailureKind::permanent,
                                  joined(joined(before, "; ", of_data), after.empty() ? "" : "; ", after)};
}

bool PeerActions::is_day_good(const PeerOutcome& outcome) const {
  const auto before = steps_.begin() + static_cast<std::ptrdiff_t>(before_);
  return is_staged(outcome) && !outcome.cancelled &&
         std::all_of(steps_.begin(), before, [](const Step& step) {
           return step.state == State::over && step.report.status == Status::ok;
         });
}

}  // namespace peerstage::daemon
