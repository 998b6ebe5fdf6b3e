#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/control/query.h"
#include "daemon/control/request_body.h"
#include "daemon/control/request_target.h"
#include "daemon/control/routes.h"
#include "tests/control/fake_daemon.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// A request on the control socket: a byte for who asks, one for how the daemon is, a line "GET /v1/status",
// and the body.

namespace peerstage::fuzz {
namespace {

using namespace daemon;

void check_target(const std::string& text) {
  const auto target = parse_request_target(text);
  if (!target) return;
  std::string again;
  for (const std::string& segment : target->path) {
    expect(!segment.empty() && segment.find('\n') == std::string::npos, "a segment is a name");
    again += "/" + percent_encoded(segment);
  }
  if (again.empty()) again = "/";
  char separator = '?';
  for (const auto& [name, value] : target->query) {
    again += separator + percent_encoded(name) + "=" + percent_encoded(value);
    separator = '&';
  }
  const auto parsed = parse_request_target(again);
  expect(parsed && parsed->path == target->path && parsed->query == target->query,
         "a target that is written reads as it was");
}

void check_body(const std::string& body) {
  try {
    const RunRequest wanted = parse_wanted_run(body);
    expect(wanted.job.empty() != wanted.peers.empty(), "a run is one of a job or of peers");
    expect(wanted.job.empty() || !wanted.full, "a job says itself whether it is full");
  } catch (const BadBody& bad) {
    expect(is_safe_line(bad.what()), "the sentence about a body can be printed");
  }
  try {
    expect_no_wishes(body);
  } catch (const BadBody& bad) {
    expect(is_safe_line(bad.what()), "the sentence about a body can be printed");
  }
}

void check_rights(Access access, const std::vector<std::string>& asked) {
  if (access == Access::none) expect(asked.empty(), "nobody gets in who may not");
  if (access == Access::read)
    expect(std::ranges::all_of(asked,
                               [](const std::string& call) {
                                 return call.starts_with("history ") || call.starts_with("run ");
                               }),
           "who may look changes nothing");
}

void check_answer(const ApiAnswer& answer) {
  expect(answer.status >= 200 && answer.status < 500, "a request has an answer, whatever it is");
  expect(is_utf8(answer.body), "an answer is UTF-8");
  expect(is_safe_line(answer.allow) && is_safe_line(answer.location), "a header of an answer is one line");
  if (answer.content_type == "application/json")
    expect(nlohmann::json::accept(answer.body), "an answer that says so is JSON");
}

void run(std::string_view input) {
  Choices choices(input);
  const auto access = static_cast<Access>(2 - choices.below(3));
  test::FakeDaemon daemon;
  if (choices.flag()) daemon.refusal = Refusal{Refusal::Kind::conflict, "not as things stand"};
  ApiRequest request;
  request.access = access;
  const std::string_view line = choices.line();
  request.method = line.substr(0, line.find(' '));
  request.target = line.substr(std::min(request.method.size() + 1, line.size()));
  request.body = choices.rest();
  check_target(request.target);
  check_body(request.body);
  check_answer(respond(request, daemon));
  check_rights(access, daemon.asked);
}

const Target target("control", run);

}  // namespace
}  // namespace peerstage::fuzz
