#include "daemon/exec_display.h"

#include <cerrno>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include "daemon/one_line.h"
#include "daemon/readable.h"

namespace peerstage::daemon {
namespace {

using peers::CommandStream;
using Status = ExecPeerReport::Status;

constexpr std::size_t longest_line = 64U << 10U;
constexpr std::size_t most_gathered = 1U << 20U;

/// Whoever reads has all the time that he wants. False: he has gone, or the disk is full.
bool write_patiently(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    pollfd reader{descriptor, POLLOUT, 0};
    if (errno == EAGAIN) ::poll(&reader, 1, -1);
  }
  return true;
}

/// Columns may be aligned with tabs, which do no harm.
std::string shown_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::string text;
  while (true) {
    const auto tab = line.find('\t');
    text += one_line(line.substr(0, tab));
    if (tab == std::string_view::npos) return text;
    text += '\t';
    line.remove_prefix(tab + 1);
  }
}

std::string how(const ExecPeerReport& report) {
  if (report.status == Status::ok) return "ok";
  const std::string status = to_string(report.status);
  return report.error.empty() ? status : status + ": " + report.error;
}

void append(std::string& names, const std::string& name) {
  names += (names.empty() ? "" : ", ") + name;
}

}  // namespace

void ExecDisplay::begun(const ExecReport& report) {
  for (const ExecPeerReport& peer : report.peers) peers_.emplace_back().name = peer.name;
}

void ExecDisplay::output(std::size_t peer, const WorkOutput& output) {
  if (style_ == ExecStyle::silent) return;
  Peer& speaker = peers_[peer];
  std::string& unfinished = speaker.unfinished.at(output.stream == CommandStream::error ? 1 : 0);
  std::string_view bytes = output.bytes;
  for (std::size_t end = 0; (end = bytes.find('\n')) != std::string_view::npos;
       bytes.remove_prefix(end + 1)) {
    unfinished += bytes.substr(0, end);
    take_line(speaker, output.stream, unfinished);
    unfinished.clear();
  }
  unfinished += bytes;
  if (unfinished.size() < longest_line) return;
  take_line(speaker, output.stream, unfinished);
  unfinished.clear();
}

void ExecDisplay::take_line(Peer& peer, CommandStream stream, std::string_view line) {
  std::string text = shown_line(line);
  if (style_ == ExecStyle::as_it_comes) {
    print(stream, peer.name + ": " + text);
    return;
  }
  const std::size_t memory = sizeof(Line) + text.size();  // an empty line needs some, too
  if (peer.gathered_memory + memory > most_gathered) {
    peer.left_out += line.size() + 1;
  } else {
    peer.gathered_memory += memory;
    peer.gathered.emplace_back(stream, std::move(text));
  }
}

void ExecDisplay::event(std::size_t peer, const WorkEvent& event) {
  if (event.level != peers::EventLevel::debug) complain(peers_[peer].name + ": " + one_line(event.text));
}

void ExecDisplay::finished(std::size_t peer, const ExecPeerReport& report) {
  Peer& done = peers_[peer];
  for (const CommandStream stream : {CommandStream::output, CommandStream::error}) {
    std::string& unfinished = done.unfinished.at(stream == CommandStream::error ? 1 : 0);
    if (!unfinished.empty()) take_line(done, stream, unfinished);
    unfinished.clear();
  }
  if (style_ == ExecStyle::gathered) {
    show_gathered(done, report);
  } else if (style_ == ExecStyle::as_it_comes && report.status != Status::ok &&
             report.status != Status::cancelled) {
    complain(report.name + ": " + one_line(how(report)));
  }
}

void ExecDisplay::show_gathered(Peer& peer, const ExecPeerReport& report) {
  print(CommandStream::output,
        "=== " + peer.name + ": " + one_line(how(report)) + " (" + readable_duration(report.duration) + ")");
  for (const Line& line : peer.gathered) print(line.first, line.second);
  if (peer.left_out > 0)
    print(CommandStream::output, "... " + std::to_string(peer.left_out) + " bytes more are left out");
  peer.gathered = {};
}

void ExecDisplay::ended(const ExecReport& report) {
  if (report.error) complain(report.error->message);
  if (report.interruption == Interruption::none) return;
  std::string going_on, never_begun;
  for (const ExecPeerReport& peer : report.peers)
    if (peer.status == Status::cancelled) append(peer.was_begun ? going_on : never_begun, peer.name);
  if (!going_on.empty()) complain("interrupted while it went on: " + going_on);
  if (!never_begun.empty()) complain("interrupted before it was begun: " + never_begun);
}

void ExecDisplay::print(CommandStream stream, const std::string& line) {
  const bool error = stream == CommandStream::error;
  const bool written = write_patiently(error ? STDERR_FILENO : STDOUT_FILENO, line + "\n");
  if (!written && !error) lost_ = true;
}

void ExecDisplay::complain(const std::string& text) {
  print(CommandStream::error, "peerstage exec: " + text);
}

}  // namespace peerstage::daemon
