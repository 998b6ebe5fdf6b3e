#include "daemon/managed_output.h"

#include <algorithm>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

// Together far below what the supervisor takes of one attempt.
constexpr std::size_t longest_line = 1'000;
constexpr std::size_t most_lines = 300;
constexpr std::size_t most_bytes = 64U << 10U;
constexpr std::size_t longest_last_words = 200;

std::string_view without_return(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void ManagedOutput::take(peers::CommandStream stream, std::string_view bytes) {
  for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    keep(of(stream), bytes.substr(0, end));
    end_line(stream);
    bytes.remove_prefix(end + 1);
  }
  keep(of(stream), bytes);
}

void ManagedOutput::finish() {
  for (const auto stream : {peers::CommandStream::output, peers::CommandStream::error}) end_line(stream);
  if (lines_left_out_ == 0) return;
  observer_.event(peers::EventLevel::warning,
                  name_ + ": " + std::to_string(lines_left_out_) + " more lines of its output are left out");
}

std::string ManagedOutput::last_words() const {
  const std::string& last = error_.last.empty() ? output_.last : error_.last;
  return peers::printable(last, longest_last_words);
}

void ManagedOutput::keep(Lines& lines, std::string_view bytes) {
  const std::size_t room = longest_line - std::min(longest_line, lines.current.size());
  lines.current.append(bytes.substr(0, room));
  lines.dropped += bytes.size() - std::min(room, bytes.size());
}

void ManagedOutput::end_line(peers::CommandStream stream) {
  Lines& lines = of(stream);
  const std::string_view line = without_return(lines.current);
  if (!line.empty()) {
    lines.last = line;
    if (lines_told_ < most_lines && bytes_told_ < most_bytes) {
      ++lines_told_;
      bytes_told_ += line.size();
      std::string text = name_ + ": " + peers::printable(line);
      if (lines.dropped > 0) text += "… (" + std::to_string(lines.dropped) + " bytes more)";
      observer_.event(
          stream == peers::CommandStream::output ? peers::EventLevel::info : peers::EventLevel::warning,
          text);
    } else {
      ++lines_left_out_;
    }
  }
  lines.current.clear();
  lines.dropped = 0;
}

}  // namespace peerstage::daemon
