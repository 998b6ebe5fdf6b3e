#include "daemon/control/request_body.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "daemon/report_json.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr int deepest = 2;                 // an object with a list in it
constexpr std::size_t longest_name = 255;  // of a job or a peer: more is no name in any configuration

[[noreturn]] void not_meant(const std::string& message) {
  throw BadBody(BadBody::Kind::not_meant, message);
}

/// Without the number of the error that stands before it in brackets; bounded, for it quotes the body.
std::string sentence_of(const Json::exception& error) {
  std::string_view text = error.what();
  text.remove_prefix(std::min(text.size(), text.find("] ") + 2));
  return peers::printable(text, 200);
}

/// Looks while the parser reads, so that what nobody means is never built.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= deepest)
      throw BadBody(BadBody::Kind::not_json, "the body is nested deeper than anything that is meant here");
    if (event == Json::parse_event_t::key && depth == 1 && !names_.insert(value.get<std::string>()).second)
      not_meant("the body has a member twice: " + peers::printable(value.get<std::string>(), 60));
    return true;
  }

 private:
  std::set<std::string> names_;
};

Json parse_object(std::string_view body, std::initializer_list<std::string_view> known) {
  Json document;
  try {
    document =
        Json::parse(body, [watch = Watch()](int depth, Json::parse_event_t event, Json& value) mutable {
          return watch(depth, event, value);
        });
  } catch (const Json::exception& error) {
    throw BadBody(BadBody::Kind::not_json, "the body is no JSON: " + sentence_of(error));
  }
  if (!document.is_object()) not_meant("the body is no JSON object");
  for (const auto& [name, value] : document.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      not_meant("the body has a member that nobody knows: " + peers::printable(name, 60));
  }
  return document;
}

std::string name_in(const Json& value, const char* member) {
  if (!value.is_string()) not_meant("'" + std::string(member) + "' has to be text");
  auto name = value.get<std::string>();
  if (name.empty() || name.size() > longest_name)
    not_meant("'" + std::string(member) + "' holds a name that is empty or longer than 255 bytes");
  return name;
}

std::vector<std::string> peers_in(const Json& value) {
  if (!value.is_array() || value.empty()) not_meant("'peers' has to be a list of at least one name");
  std::vector<std::string> names;
  for (const Json& each : value) names.push_back(name_in(each, "peers"));
  return names;
}

}  // namespace

RunRequest parse_wanted_run(std::string_view body) {
  const Json document = parse_object(body, {"job", "peers", "full"});
  if (document.contains("job") == document.contains("peers"))
    not_meant("the body has to have either 'job' or 'peers'");
  RunRequest wanted;
  if (document.contains("job")) wanted.job = name_in(document["job"], "job");
  if (document.contains("peers")) wanted.peers = peers_in(document["peers"]);
  if (!document.contains("full")) return wanted;
  if (!wanted.job.empty()) not_meant("'full' is for peers; a job says itself whether it is full");
  if (!document["full"].is_boolean()) not_meant("'full' has to be true or false");
  wanted.full = document["full"].get<bool>();
  return wanted;
}

void expect_no_wishes(std::string_view body) {
  if (!body.empty()) parse_object(body, {});
}

}  // namespace peerstage::daemon
