#include "daemon/managed_step.h"

#include <algorithm>

#include "daemon/managed_output.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::string failure_text(const ManagedStep& step, const peers::CommandResult& result,
                         const std::string& last_words) {
  std::string text = "the managed action " + step.action + " " + how_it_ended(result);
  if (!last_words.empty()) text += "; the last that it said: " + last_words;
  return text;
}

WorkStepEnded end_of(const ManagedStep& step, const peers::CommandResult& result,
                     const std::string& last_words) {
  WorkStepEnded end;
  end.exit_status = result.exit_status;
  end.signal = plain_signal(result.signal);
  if (result.succeeded()) return end;
  end.failure = peers::FailureKind::permanent;
  end.message = failure_text(step, result, last_words);
  return end;
}

/// It was begun, so that even what passes by itself is no reason to do it again.
WorkStepEnded end_of(const ManagedStep& step, const peers::Failure& failure) {
  WorkStepEnded end;
  end.failure = failure.kind == peers::FailureKind::hostile ? failure.kind : peers::FailureKind::permanent;
  end.message = "the managed action " + step.action + " failed: " + failure.message;
  return end;
}

}  // namespace

std::string plain_signal(std::string name) {
  std::ranges::replace_if(
      name, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return name.substr(0, longest_signal_name);
}

std::string how_it_ended(const peers::CommandResult& result) {
  if (!result.signal.empty()) return "was ended by the signal " + plain_signal(result.signal);
  if (result.exit_status) return "ended with exit status " + std::to_string(*result.exit_status);
  return "ended, and the peer did not say how";
}

std::variant<WorkStepEnded, peers::Failure> run_managed_step(peers::Peer& peer, const ManagedStep& step,
                                                             peers::Observer& observer,
                                                             const std::function<void()>& begun) {
  ManagedOutput lines(step.action, observer);
  bool has_begun = false;
  SteadyClock::time_point start;
  peers::Command terms;
  terms.deadline = step.deadline;
  terms.output_limit = 0;
  terms.begins = [&] {
    has_begun = true;
    start = SteadyClock::now();
    begun();
  };
  terms.heard = [&lines](peers::CommandStream stream, std::string_view bytes) { lines.take(stream, bytes); };
  const auto outcome = peer.run_managed_action(step.action, step.mode, std::move(terms));
  lines.finish();
  const auto* failure = std::get_if<peers::Failure>(&outcome);
  if (failure != nullptr && !has_begun) {
    return peers::Failure{failure->kind,
                          "the managed action " + step.action + " was not begun: " + failure->message};
  }
  WorkStepEnded end = failure != nullptr
                          ? end_of(step, *failure)
                          : end_of(step, std::get<peers::CommandResult>(outcome), lines.last_words());
  end.milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start).count());
  return end;
}

}  // namespace peerstage::daemon
