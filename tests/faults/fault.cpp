#include "tests/faults/fault.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>

namespace peerstage::faults {
namespace {

struct Word {
  std::string_view word;
  Fault fault;
};

constexpr auto words = std::to_array<Word>({
    {"count", {Action::nothing, end, 0, Times::once}},
    {"kill", {Action::kill_process, end, 0, Times::once}},
    {"kill-all", {Action::kill_everything, end, 0, Times::once}},
    {"stop", {Action::stop_everything, end, 0, Times::once}},
    {"short", {Action::shorten, shortened, 0, Times::once}},
    {"ENOSPC", {Action::fail, no_room, ENOSPC, Times::once}},
    {"EDQUOT", {Action::fail, no_room, EDQUOT, Times::once}},
    {"EIO", {Action::fail, broken_disk, EIO, Times::once}},
    {"EROFS", {Action::fail, read_only, EROFS, Times::once}},
    {"EMFILE", {Action::fail, no_descriptors, EMFILE, Times::once}},
    {"EINTR", {Action::fail, interrupted, EINTR, Times::once}},
});

}  // namespace

Fault parse_fault(std::string_view text) {
  const bool lasts = text.ends_with('+');
  const std::string_view word = lasts ? text.substr(0, text.size() - 1) : text;
  const auto* const found = std::ranges::find(words, word, &Word::word);
  if (found == words.end() || (lasts && found->fault.kind == end)) {
    throw std::invalid_argument("no such fault: " + std::string(text));
  }
  Fault fault = found->fault;
  if (lasts) fault.times = Times::from_then_on;
  return fault;
}

}  // namespace peerstage::faults
