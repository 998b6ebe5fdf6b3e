#include "daemon/actions/output_lines.h"

#include <algorithm>

#include "peers/text.h"

namespace peerstage::daemon {

void OutputLines::hear(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t count = std::min({newline, bytes.size(), longest - unfinished_.size()});
    unfinished_ += bytes.substr(0, count);
    bytes.remove_prefix(count);
    const bool is_whole = !bytes.empty() && bytes.front() == '\n';
    if (is_whole) bytes.remove_prefix(1);
    if (is_whole || unfinished_.size() == longest) end_line();
  }
}

void OutputLines::finish() {
  if (!unfinished_.empty()) end_line();
}

void OutputLines::end_line() {
  last_.push_back(peers::printable(unfinished_));
  unfinished_.clear();
  if (each_) each_(last_.back());
  if (last_.size() > kept) last_.pop_front();
}

}  // namespace peerstage::daemon
