#include <set>
#include <string>

#include "config/sections.h"
#include "config/staging_values.h"

namespace peerstage::config {
namespace {

const AsOneOf<PeerType> as_peer_type{{{"local", PeerType::local}, {"remote", PeerType::remote}}};
const AsOneOf<IgnoreFailures> as_ignore_failures{{{"none", IgnoreFailures::none},
                                                  {"all", IgnoreFailures::all},
                                                  {"daily", IgnoreFailures::daily},
                                                  {"weekly", IgnoreFailures::weekly}}};

std::optional<CommandLine> read_command(Fields& fields, const char* name) {
  auto text = fields.value(name, as_text);
  if (!text) return std::nullopt;
  CommandLine command = fields.place(name);
  command.text = std::move(*text);
  return command;
}

void read_remote(Fields& fields, ConfiguredPeer& peer) {
  peer.backup_user = fields.value("backup_user", as_text);
  peer.rcp_command = read_command(fields, "rcp_command");
  peer.rsh_command = read_command(fields, "rsh_command");
  peer.cback_command = fields.value("cback_command", as_text);
  peer.managed = fields.value("managed", as_boolean).value_or(false);
  peer.managed_actions = fields.value("managed_actions", as_action_names);
  peer.address = fields.value("address", as_address);
  peer.port = fields.value("port", as_port);
  peer.identity_file = fields.value("identity_file", as_user_path);
  peer.known_hosts = fields.value("known_hosts", as_user_path);
  peer.sudo = fields.value("sudo", as_sudo);
}

ConfiguredPeer read_peer(Fields& fields) {
  ConfiguredPeer peer;
  peer.line = fields.line();
  peer.element = fields.path();
  const auto type = fields.value("type", as_peer_type);
  if (!fields.has("type")) fields.missing("type");
  peer.name = fields.required("name", as_peer_name);
  peer.collect_dir = fields.required("collect_dir", as_absolute_path);
  peer.ignore_failures = fields.value("ignore_failures", as_ignore_failures).value_or(IgnoreFailures::none);
  peer.group = fields.value("group", as_group_name);
  peer.staging = read_staging_values(fields);
  peer.type = type.value_or(PeerType::remote);
  if (peer.type == PeerType::remote) read_remote(fields, peer);
  fields.report_unknown();
  return peer;
}

std::vector<ConfiguredPeer> read_peer_list(Fields& fields) {
  std::vector<ConfiguredPeer> peers;
  std::set<std::string> names;
  for (Fields& entry : fields.groups("peer")) {
    peers.push_back(read_peer(entry));
    const std::string& name = peers.back().name;
    if (!name.empty() && !names.insert(name).second) {
      entry.error(entry.place("name"),
                  "another peer of this section has the name " + quoted(name) + " already");
    }
  }
  return peers;
}

}  // namespace

std::vector<ConfiguredPeer> read_peers(Fields fields) {
  std::vector<ConfiguredPeer> peers = read_peer_list(fields);
  if (peers.empty()) fields.error({"", fields.line(), fields.path()}, "this section needs at least one peer");
  fields.report_unknown();
  return peers;
}

Stage read_stage(Fields fields) {
  Stage stage;
  stage.line = fields.line();
  stage.staging_dir = fields.required("staging_dir", as_absolute_path);
  stage.peers = read_peer_list(fields);
  fields.report_unknown();
  return stage;
}

}  // namespace peerstage::config
