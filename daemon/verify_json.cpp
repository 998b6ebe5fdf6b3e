#include "daemon/report_json.h"
#include "daemon/utc.h"
#include "daemon/verify_command.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

Json problem(const peers::staging::DayProblem& each) {
  return {
      {"name", peers::printable(each.name)}, {"problem", to_string(each.kind)}, {"message", each.message}};
}

Json day(const VerifiedDay& each) {
  Json problems = Json::array();
  for (const auto& found : each.found.problems) problems.push_back(problem(found));
  return {{"date", iso_date(each.day.date)},
          {"peer", peers::printable(each.day.peer)},
          {"files", each.found.files},
          {"bytes", each.found.bytes},
          {"problems", problems}};
}

const char* status(ExitCode code) {
  if (code == ExitCode::ok) return "ok";
  return code == ExitCode::peer_failed ? "damaged" : "error";
}

}  // namespace

std::string to_json(const Verification& verification) {
  Json document{{"version", 1},
                {"status", status(exit_code(verification))},
                {"error", verification.error ? Json(*verification.error) : Json(nullptr)},
                {"days", Json::array()}};
  for (const VerifiedDay& each : verification.days) document["days"].push_back(day(each));
  return document_text(document);
}

}  // namespace peerstage::daemon
