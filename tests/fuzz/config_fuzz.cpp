#include <algorithm>
#include <string>

#include "config/collect_plan.h"
#include "config/exec_plan.h"
#include "config/load.h"
#include "config/managed_plan.h"
#include "config/stage_plan.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"
#include "tests/support/temporary_directory.h"

// A configuration file.

namespace peerstage::fuzz {
namespace {

using namespace config;

bool is_name(const std::string& name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 255 && is_alphanumeric(name.front()) &&
         std::ranges::all_of(name,
                             [&](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

void check_findings(const std::vector<Finding>& findings, std::ptrdiff_t lines) {
  int before = 0;
  for (const Finding& finding : findings) {
    expect(finding.line >= before && finding.line <= lines,
           "findings are in the order of lines that there are");
    expect(!finding.message.empty(), "a finding says something");
    expect(is_utf8(finding.text()), "a finding is UTF-8");
    expect(is_one_line(finding.text()), "a finding is one line");
    before = finding.line;
  }
}

/// Of findings beyond those of `load`, which are not in the order of lines.
template <typename Plan>
void check_plan(const std::optional<Plan>& plan, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) expect(finding.line > 0, "a finding about a plan has a line");
  expect(plan.has_value() || has_errors(findings), "what cannot be planned has an error");
}

void check_peer(const StagePeer& peer) {
  expect(is_name(peer.name) && !peer.name.starts_with("cback."), "a peer has a name for a directory");
  expect(peer.collect_dir.starts_with('/'), "a collect directory is absolute");
  expect(peer.group.empty() || is_name(peer.group), "a group has a name");
  expect(!peer.staging.permissions || peer.staging.permissions->bits <= 0777, "permissions are nine bits");
  expect(!peer.ssh || !peer.ssh->host.empty(), "a remote peer has a host");
  expect(!peer.ssh || !peer.ssh->port || peer.ssh->port->number > 0, "a port is at least 1");
}

void check_stage_plan(const Config& config) {
  std::vector<Finding> findings;
  const auto plan = plan_stage(config, findings);
  if (!config.stage) return expect(!plan, "without a stage section nothing is staged");
  check_plan(plan, findings);
  if (!plan) return;
  expect(plan->staging_dir.starts_with('/'), "a staging directory is absolute");
  expect(plan->parallel_peers > 0, "at least one peer is at work at a time");
  for (const StagePeer& peer : plan->peers) check_peer(peer);
  for (std::size_t i = 0; i < plan->peers.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      expect(plan->peers[i].name != plan->peers[j].name, "no two peers are staged into one directory");
}

void check_plans(const Config& config) {
  check_stage_plan(config);
  std::vector<Finding> findings;
  check_plan(plan_exec(config, findings), findings);
  findings.clear();
  check_plan(plan_managed(config, findings), findings);
  const auto collect = plan_collect(config);
  expect(collect.has_value() == config.collect.has_value(), "a collect section is a plan");
  if (!collect) return;
  for (const CollectItem& item : collect->items)
    expect(item.path.starts_with('/'), "what is collected is absolute");
}

void run(std::string_view input) {
  static const test::TemporaryDirectory directory;
  const std::string path = directory.write("peerstage.conf", std::string(input));
  const std::ptrdiff_t lines = std::ranges::count(input, '\n') + std::ranges::count(input, '\r') + 1;
  const LoadResult result = load(path, StartedAs::user);
  check_findings(result.findings, lines);
  expect(result.config.has_value() != has_errors(result.findings),
         "a configuration is right or has an error");
  check_findings(check(path, StartedAs::user), lines);
  if (result.config) check_plans(*result.config);
}

const Target target("config", run);

}  // namespace
}  // namespace peerstage::fuzz
