#include "daemon/service/check_plugin.h"
#include "daemon/service/metrics.h"
#include "daemon/service/state_json.h"
#include "daemon/service/status_table.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// What a daemon, or whoever listens in its place, answers to `status`.

namespace peerstage::fuzz {
namespace {

using namespace daemon;

void check_lines(std::string_view text, std::string_view sentence) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    expect(end != std::string_view::npos && is_safe_line(text.substr(0, end)), sentence);
    text.remove_prefix(end + 1);
  }
}

void run(std::string_view input) try {
  const ServiceState state = parse_state(input);
  const std::string document = to_json(state);
  expect(to_json(parse_state(document)) == document, "a state that is written reads as it was");
  check_lines(status_table(state, {}), "the table of a state can be printed");
  check_lines(status_table(state, {.peers = {}, .colour = Colour::off, .columns = 80}),
              "the table of a state for a terminal can be printed");
  const std::string line = check_result(state).line;
  expect(is_safe_line(line) && line.size() < 1000, "what a plugin says is one short line");
  expect(is_utf8(metrics_text(state)), "metrics are UTF-8");
} catch (const BadStateDocument& bad) {
  expect(is_safe_line(bad.what()), "the sentence about a state can be printed");
}

const Target target("state_document", run);

}  // namespace
}  // namespace peerstage::fuzz
