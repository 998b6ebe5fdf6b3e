#include "daemon/verify_command.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include <unistd.h>

#include "config/load.h"
#include "config/stage_plan.h"
#include "daemon/check.h"
#include "daemon/columns.h"
#include "daemon/confine.h"
#include "daemon/progress.h"
#include "daemon/readable.h"
#include "daemon/screen.h"
#include "daemon/user.h"
#include "daemon/utc.h"
#include "peers/failure.h"
#include "peers/parallel.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

namespace staging = peers::staging;
using peers::staging::DayProblem;
using std::chrono::steady_clock;

/// Days at a time, and files of each: enough to keep an array of disks busy, and few enough for one disk.
constexpr std::size_t days_at_once = 2;
constexpr std::size_t files_at_once = 2;
constexpr std::chrono::milliseconds between_looks{200};

/// For good. Of root's rights only that to read what the backup user cannot is left, and no right to write
/// anything anywhere.
void give_up_rights(const config::StagePlan& plan) {
  Confinement confinement;
  confinement.needs = reading_everything;
  if (::geteuid() == 0) {
    confinement.user = look_up_user(plan.backup_user, plan.backup_group);
    confinement.reach = Reach::every_file;
  }
  confine(confinement);
}

/// Examines in the background, and hands over what is done in order.
class Examiner {
 public:
  Examiner(staging::Directory root, std::vector<staging::StagedDay> days)
      : root_(std::move(root)), days_(std::move(days)), results_(days_.size()) {
    thread_ = std::jthread(
        [this] { peers::in_parallel(days_.size(), days_at_once, [this](std::size_t i) { examine(i); }); });
  }

  std::size_t size() const { return days_.size(); }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::size_t done() const { return done_; }
  const staging::StagedDay& day(std::size_t i) const { return days_[i]; }

  /// Waits for so long. False: it is not done.
  bool wait_for(std::size_t i, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return something_done_.wait_for(lock, time, [&] { return results_[i].done; });
  }
  /// Of one that is done. Absent: the day is gone.
  std::optional<staging::ExaminedDay> take(std::size_t i) { return std::move(results_[i].found); }

 private:
  struct Result {
    bool done = false;
    std::optional<staging::ExaminedDay> found;
  };

  void examine(std::size_t i) {
    std::optional<staging::ExaminedDay> found;
    try {
      if (const auto day = staging::find_day(root_, days_[i].date))
        found = staging::examine(*day, days_[i].peer, files_at_once, bytes_read_);
    } catch (const std::exception& error) {
      found.emplace().problems.push_back({DayProblem::Kind::unreadable, "", error.what()});
    }
    const std::lock_guard lock(mutex_);
    results_[i] = {true, std::move(found)};
    ++done_;
    something_done_.notify_one();
  }

  staging::Directory root_;
  std::vector<staging::StagedDay> days_;
  std::atomic<std::uint64_t> bytes_read_{0};
  std::atomic<std::size_t> done_{0};
  std::mutex mutex_;
  std::condition_variable something_done_;
  std::vector<Result> results_;
  std::jthread thread_;  // the last, so that it ends first
};

std::string day_text(const VerifiedDay& verified) {
  const staging::ExaminedDay& found = verified.found;
  const std::string where = iso_date(verified.day.date) + " " + peers::printable(verified.day.peer) + ": ";
  const std::size_t problems = found.problems.size();
  std::string text;
  for (const DayProblem& problem : found.problems)
    text += where + to_string(problem.kind) + ": " + problem.message + "\n";
  return text + where + std::to_string(found.files) + " files, " + readable_size(found.bytes) +
         (problems == 0 ? ", ok\n"
                        : ", " + std::to_string(problems) + (problems == 1 ? " problem\n" : " problems\n"));
}

std::string total_text(const Verification& verification, std::uint64_t bytes_read,
                       std::chrono::milliseconds time) {
  std::uint64_t files = 0;
  std::map<DayProblem::Kind, std::size_t> counts;
  for (const VerifiedDay& each : verification.days) {
    files += each.found.files;
    for (const DayProblem& problem : each.found.problems) ++counts[problem.kind];
  }
  const double seconds = std::max(0.001, std::chrono::duration<double>(time).count());
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(bytes_read) / seconds);
  std::string text = "verified " + std::to_string(verification.days.size()) + " days of peers, " +
                     std::to_string(files) + " files, " + readable_size(bytes_read) + " in " +
                     readable_duration(time) + ", " + readable_size(rate) + "/s: ";
  if (counts.empty()) return text + "everything is as it was staged\n";
  const char* separator = "";
  for (const auto& [kind, count] : counts) {
    text += separator + std::to_string(count) + " " + to_string(kind);
    separator = ", ";
  }
  return text + "\n";
}

class VerifyRun {
 public:
  explicit VerifyRun(const VerifyCommand& command)
      : command_(command), screen_(STDERR_FILENO), began_(steady_clock::now()) {}

  ExitCode run(const config::StagePlan& plan) {
    try {
      const auto root = staging::Directory::open(plan.staging_dir);
      give_up_rights(plan);
      verify(root);
    } catch (const std::exception& error) {
      result_.error = error.what();
    }
    return show();
  }

 private:
  void verify(const staging::Directory& root) {
    auto [days, problems] = staging::staged_days(root, command_.date, command_.peers);
    Examiner examiner(root.duplicate(), std::move(days));
    for (std::size_t i = 0; i < examiner.size(); ++i) {
      while (!examiner.wait_for(i, between_looks)) draw(examiner, i);
      if (auto found = examiner.take(i)) take({examiner.day(i), std::move(*found)});
    }
    screen_.live({});
    bytes_read_ = examiner.bytes_read();
    note_what_is_not_there(root);
    if (!problems.empty()) result_.error = problems.front();
  }

  void take(VerifiedDay verified) {
    if (!command_.json) {
      screen_.live({});
      std::cout << day_text(verified) << std::flush;
    }
    result_.days.push_back(std::move(verified));
  }

  void draw(const Examiner& examiner, std::size_t waiting_for) {
    if (!screen_.is_terminal()) return;
    rate_.sample(examiner.bytes_read(), steady_clock::now());
    const staging::StagedDay& day = examiner.day(waiting_for);
    std::string line = std::to_string(examiner.done()) + " of " + std::to_string(examiner.size()) +
                       " days of peers, " + readable_size(examiner.bytes_read());
    line += speed_text(rate_.bytes_per_second()) + ", at " + iso_date(day.date) + " " +
            peers::printable(day.peer, 40);
    screen_.live({cut(line, screen_.size().columns)});
  }

  /// Nobody must take it for verified.
  void note_what_is_not_there(const staging::Directory& root) {
    const std::string where =
        " below " + peers::printable(root.path()) + (command_.date ? " on " + iso_date(*command_.date) : "");
    if (result_.days.empty() && command_.peers.empty()) result_.error = "nothing is staged" + where;
    for (const std::string& peer : command_.peers) {
      const auto is_it = [&peer](const VerifiedDay& each) { return each.day.peer == peer; };
      if (!std::ranges::any_of(result_.days, is_it))
        result_.error = "there is no day of the peer " + peers::printable(peer) + where;
    }
  }

  ExitCode show() {
    const ExitCode code = exit_code(result_);
    if (command_.json) {
      std::cout << to_json(result_);
    } else {
      const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began_);
      if (!result_.days.empty()) std::cout << total_text(result_, bytes_read_, time);
    }
    std::cout << std::flush;
    if (result_.error) std::cerr << "peerstage verify: " << *result_.error << '\n';
    if (std::cout) return code;
    std::cerr << "peerstage verify: cannot write the result to the standard output; is the disk full?\n";
    return code == ExitCode::ok ? ExitCode::error : code;
  }

  const VerifyCommand& command_;
  Screen screen_;
  steady_clock::time_point began_;
  RateMeter rate_;
  std::uint64_t bytes_read_ = 0;
  Verification result_;
};

}  // namespace

ExitCode exit_code(const Verification& verification) {
  const auto is_damaged = [](const VerifiedDay& each) { return each.found.is_damaged(); };
  if (std::ranges::any_of(verification.days, is_damaged)) return ExitCode::peer_failed;
  return verification.error ? ExitCode::error : ExitCode::ok;
}

ExitCode verify_staged(const VerifyCommand& command) {
  const std::string path = command.config_path.value_or(config::default_path());
  auto loaded = config::load(path, started_as());
  std::optional<config::StagePlan> plan;
  if (loaded.config) plan = config::plan_stage(*loaded.config, loaded.findings);
  if (!plan && config::has_errors(loaded.findings))
    return show_findings(path, loaded.findings, command.json ? FindingsFormat::json : FindingsFormat::text);
  if (!plan) throw std::runtime_error("cannot verify: " + peers::printable(path) + " has no stage section");
  return VerifyRun(command).run(*plan);
}

}  // namespace peerstage::daemon
