#include "daemon/check.h"

#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace peerstage::daemon {
namespace {

using config::Finding;
using config::Severity;
using nlohmann::json;

const Finding an_error{Severity::error, "/etc/x.conf", 12, "stage/peer[2]/name", "the name is empty"};
const Finding a_warning{Severity::warning, "/etc/x.conf", 0, "", "no peer is configured"};

struct Result {
  ExitCode code;
  std::string output;
};

Result check(FindingsFormat format, const std::vector<Finding>& findings) {
  std::ostringstream output;
  const ExitCode code = show_findings("/etc/x.conf", findings, format, output);
  return {code, output.str()};
}

TEST(Check, of_a_good_configuration_says_so) {
  const Result result = check(FindingsFormat::text, {});
  EXPECT_EQ(result.code, ExitCode::ok);
  EXPECT_EQ(result.output, "/etc/x.conf: configuration is valid\n");
}

TEST(Check, shows_all_findings_with_their_places) {
  const Result result = check(FindingsFormat::text, {an_error, a_warning});
  EXPECT_EQ(result.code, ExitCode::configuration);
  EXPECT_EQ(result.output,
            "error: /etc/x.conf:12: stage/peer[2]/name: the name is empty\n"
            "warning: /etc/x.conf: no peer is configured\n");
}

TEST(Check, takes_a_configuration_with_warnings_for_valid) {
  const Result result = check(FindingsFormat::text, {a_warning});
  EXPECT_EQ(result.code, ExitCode::ok);
  EXPECT_EQ(result.output,
            "warning: /etc/x.conf: no peer is configured\n"
            "/etc/x.conf: configuration is valid\n");
}

TEST(Check, as_json_has_exactly_the_promised_fields) {
  const Result result = check(FindingsFormat::json, {an_error, a_warning});
  EXPECT_EQ(result.code, ExitCode::configuration);
  EXPECT_EQ(json::parse(result.output), json::parse(R"({"valid": false, "findings": [
    {"severity": "error", "file": "/etc/x.conf", "line": 12, "element": "stage/peer[2]/name",
     "message": "the name is empty"},
    {"severity": "warning", "file": "/etc/x.conf", "line": 0, "element": "",
     "message": "no peer is configured"}]})"));
}

TEST(Check, as_json_of_a_good_configuration_has_an_empty_list) {
  const Result result = check(FindingsFormat::json, {});
  EXPECT_EQ(result.code, ExitCode::ok);
  EXPECT_EQ(json::parse(result.output), json::parse(R"({"valid": true, "findings": []})"));
}

}  // namespace
}  // namespace peerstage::daemon
