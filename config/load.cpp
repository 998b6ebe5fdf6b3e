#include "config/load.h"

#include <algorithm>
#include <set>

#include <unistd.h>

#include "config/daemon_section.h"
#include "config/fields.h"
#include "config/sections.h"
#include "config/source_file.h"
#include "config/stage_plan.h"
#include "config/xml.h"

namespace peerstage::config {
namespace {

/// Our own section, and those that extensions of Cedar Backup read by themselves.
const std::set<std::string> other_sections = {"peerstage", "amazons3",   "capacity", "encrypt",    "mbox",
                                              "mysql",     "postgresql", "split",    "subversion", "sysinfo"};

/// A managed peer needs its commands from somewhere: from itself, or from the options.
void check_managed_peer(const ConfiguredPeer& peer, const Options& options, Report& report) {
  if (!peer.managed) return;
  const auto need = [&](bool present, const std::string& name) {
    if (present) return;
    report.error(peer.line, peer.element + "/" + name,
                 "this element is required for a managed peer, here or in the options section");
  };
  const auto any = [](const std::optional<std::vector<std::string>>& actions) {
    return actions && !actions->empty();
  };
  need(peer.rsh_command || options.rsh_command, "rsh_command");
  need(peer.cback_command || options.cback_command, "cback_command");
  need(any(peer.managed_actions) || any(options.managed_actions), "managed_actions");
}

/// The rules that concern several sections.
void check_whole(const Config& config, int root_line, Report& report) {
  if (!config.collect && !config.stage && !config.store && !config.purge) {
    report.error(root_line, "", "at least one of the sections collect, stage, store and purge is required");
  }
  if (config.stage && !config.peers && config.stage->peers.empty()) {
    report.error(config.stage->line, "stage",
                 "at least one peer is required, in this section or in a peers section");
  }
  for (const auto* peers :
       {config.peers ? &*config.peers : nullptr, config.stage ? &config.stage->peers : nullptr}) {
    if (peers == nullptr) continue;
    for (const ConfiguredPeer& peer : *peers) check_managed_peer(peer, config.options, report);
  }
}

Config read_config(const Element& root, const std::string& path, Report& report) {
  Config config;
  config.file = path;
  Fields fields(root, "", report, Strictness::lenient);
  if (auto section = fields.group("reference")) config.reference = read_reference(*section);
  if (auto section = fields.group("extensions")) config.extensions = read_extensions(*section);
  if (auto section = fields.group("options")) {
    config.options = read_options(*section);
  } else {
    fields.missing("options");
  }
  if (auto section = fields.group("peers")) config.peers = read_peers(*section);
  if (auto section = fields.group("collect")) config.collect = read_collect(*section);
  if (auto section = fields.group("stage")) config.stage = read_stage(*section);
  if (auto section = fields.group("store")) config.store = read_store(*section);
  if (auto section = fields.group("purge")) config.purge = read_purge(*section);
  Fields own(root, "", report, Strictness::strict);
  if (auto section = own.group("peerstage")) config.peerstage = read_peerstage(*section);
  fields.report_unknown(other_sections);
  check_whole(config, root.line, report);
  return config;
}

std::optional<Config> read_document(const std::string& path, Report& report) {
  try {
    const Element root = parse_xml(read_source(path));
    if (root.name != "cb_config") {
      report.error(root.line, "", "the root element is <" + root.name + ">, but must be <cb_config>");
      return std::nullopt;
    }
    return read_config(root, path, report);
  } catch (const SourceError& error) {
    report.error(0, "", error.what());
  } catch (const XmlError& error) {
    report.error(error.line(), "", error.what());
  }
  return std::nullopt;
}

/// False: others could have changed it, or that cannot be known.
bool check_trust(const std::string& path, Report& report) {
  try {
    const auto fault = changeable_by_others(path);
    if (!fault) return true;
    report.error(
        0, "",
        *fault + ": whoever can change this configuration could do anything as root; give it to root alone");
  } catch (const SourceError& error) {
    report.error(0, "", error.what());
  }
  return false;
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::vector<Finding> by_line(std::vector<Finding> findings) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& one, const Finding& other) { return one.line < other.line; });
  return findings;
}

}  // namespace

std::string default_path() {
  const char* const own = "/etc/peerstage.conf";
  return exists(own) ? own : "/etc/cback3.conf";
}

LoadResult load(const std::string& path, StartedAs started_as) {
  Report report(path);
  std::optional<Config> config = read_document(path, report);
  const bool is_trusted = started_as != StartedAs::root || !exists(path) || check_trust(path, report);
  if (started_as == StartedAs::root && config && config->peerstage.daemon)
    check_trust_of_commands(*config->peerstage.daemon, report);
  std::optional<std::string> control_socket;
  if (is_trusted && config && config->peerstage.daemon)
    control_socket = config->peerstage.daemon->control_socket;
  if (has_errors(report.findings())) config.reset();
  return {std::move(config), by_line(report.findings()), std::move(control_socket)};
}

std::vector<Finding> check(const std::string& path, StartedAs started_as) {
  LoadResult result = load(path, started_as);
  if (result.config) plan_stage(*result.config, result.findings);
  return by_line(std::move(result.findings));
}

}  // namespace peerstage::config
