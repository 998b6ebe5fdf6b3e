#include "daemon/control/routes.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "daemon/catalog/catalog_json.h"
#include "daemon/check.h"
#include "daemon/control/query.h"
#include "daemon/control/request_body.h"
#include "daemon/control/request_target.h"
#include "daemon/report_json.h"
#include "daemon/service/metrics.h"
#include "daemon/service/state_json.h"
#include "daemon/utc.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

/// How much of one peer in one run an answer may hold: some hundred bytes each, and all of it in memory.
constexpr std::size_t most_results = 20'000;
constexpr std::size_t usual_runs = 100, most_runs = 1000;
constexpr std::size_t longest_quote = 80;  // of what was sent, in a sentence about it

/// The answer is an error.
class Refused : public std::runtime_error {
 public:
  Refused(unsigned status, const std::string& sentence) : std::runtime_error(sentence), status_(status) {}
  unsigned status() const { return status_; }

 private:
  unsigned status_;
};

/// A request whose route is known.
struct Call {
  Controllable& daemon;
  std::string argument;  ///< what stands in the path for {}
  Query query;
  const std::string& body;
};

ApiAnswer ok(std::string document) {
  ApiAnswer answer;
  answer.body = std::move(document);
  return answer;
}

unsigned status_of(Refusal::Kind kind) {
  switch (kind) {
    case Refusal::Kind::unknown:
      return 404;
    case Refusal::Kind::conflict:
      return 409;
    case Refusal::Kind::unavailable:
      break;
  }
  return 503;
}

[[noreturn]] void refuse(const Refusal& refusal) {
  throw Refused(status_of(refusal.kind), refusal.message);
}

template <typename Value>
Value value_or_refuse(std::variant<Value, Refusal> result) {
  if (const Refusal* refusal = std::get_if<Refusal>(&result)) refuse(*refusal);
  return std::get<Value>(std::move(result));
}

/// The state, with these peers alone.
ServiceState with_peers(ServiceState state, const std::vector<std::string>& names) {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::set<std::string> found;
  std::erase_if(state.peers, [&](const ServicePeer& peer) {
    if (!wanted.contains(peer.name)) return true;
    found.insert(peer.name);
    return false;
  });
  for (const std::string& name : wanted)
    if (!found.contains(name))
      throw Refused(404, "there is no peer " + peers::printable(name, longest_quote));
  return state;
}

/// Who only follows a run has no use for some thousand peers: `peers=none` leaves them out.
ApiAnswer get_status(Call& call) {
  const auto chosen = call.query.one("peers");
  if (chosen && *chosen != "none") throw Refused(400, "'peers' may be none, and nothing else");
  const auto names = call.query.all("peer");
  call.query.expect_nothing_else();
  if (chosen) return ok(to_json(with_peers(call.daemon.state(), {})));
  return ok(to_json(names.empty() ? call.daemon.state() : with_peers(call.daemon.state(), names)));
}

/// One peer as it stands in the document of the state.
ApiAnswer get_peer(Call& call) {
  call.query.expect_nothing_else();
  const Json state = Json::parse(to_json(with_peers(call.daemon.state(), {call.argument})));
  return ok(document_text({{"version", 1}, {"peer", state.at("peers").at(0)}}));
}

ApiAnswer get_jobs(Call& call) {
  call.query.expect_nothing_else();
  const Json state = Json::parse(to_json(with_peers(call.daemon.state(), {})));
  return ok(document_text({{"version", 1}, {"jobs", state.at("jobs")}}));
}

ApiAnswer get_metrics(Call& call) {
  call.query.expect_nothing_else();
  ApiAnswer answer;
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  answer.body = metrics_text(call.daemon.state());
  return answer;
}

std::size_t parse_limit(const std::string& text, std::size_t most) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || number == 0 || number > most)
    throw Refused(400, "'limit' has to be a number from 1 to " + std::to_string(most) +
                           ", which is the most for as many peers as there are");
  return number;
}

/// A time, or a day from its beginning in UTC.
std::optional<std::chrono::system_clock::time_point> parse_since(const std::string& text) {
  if (const auto day = parse_iso_date(text)) return std::chrono::sys_days(*day);
  return parse_utc(text);
}

ApiAnswer get_runs(Call& call) {
  HistoryQuery wanted;
  wanted.peer = call.query.one("peer");
  const auto since = call.query.one("since");
  const auto limit = call.query.one("limit");
  call.query.expect_nothing_else();
  if (since) wanted.since = parse_since(*since);
  if (since && !wanted.since)
    throw Refused(400, "'since' has to be a time like 2026-11-20T01:30:00Z, or a day like 2026-11-20");
  const std::size_t results_a_run = wanted.peer ? 1 : std::max<std::size_t>(1, call.daemon.peer_count());
  const std::size_t most = std::clamp<std::size_t>(most_results / results_a_run, 1, most_runs);
  wanted.limit = limit ? parse_limit(*limit, most) : std::min(usual_runs, most);
  return ok(to_json(value_or_refuse(call.daemon.history(wanted))));
}

ApiAnswer get_run(Call& call) {
  call.query.expect_nothing_else();
  return ok(to_json(value_or_refuse(call.daemon.run(call.argument))));
}

ApiAnswer accepted(const RunTicket& ticket) {
  ApiAnswer answer;
  answer.status = 202;
  answer.location = "/v1/runs/" + percent_encoded(ticket.id);
  answer.body = document_text({{"version", 1}, {"run", {{"id", ticket.id}}}});
  return answer;
}

ApiAnswer post_run(Call& call) {
  call.query.expect_nothing_else();
  const RunRequest wanted = parse_wanted_run(call.body);
  return accepted(value_or_refuse(wanted.job.empty() ? call.daemon.start_peers(wanted.peers, wanted.full)
                                                     : call.daemon.start_job(wanted.job)));
}

ApiAnswer post_cancel(Call& call) {
  call.query.expect_nothing_else();
  expect_no_wishes(call.body);
  return accepted(value_or_refuse(call.daemon.cancel(call.argument)));
}

ApiAnswer paused(const std::optional<Refusal>& refusal, bool is_paused) {
  if (refusal) refuse(*refusal);
  return ok(document_text({{"version", 1}, {"paused", is_paused}}));
}

ApiAnswer post_pause(Call& call) {
  call.query.expect_nothing_else();
  expect_no_wishes(call.body);
  return paused(call.daemon.pause(), true);
}

ApiAnswer post_resume(Call& call) {
  call.query.expect_nothing_else();
  expect_no_wishes(call.body);
  return paused(call.daemon.resume(), false);
}

ApiAnswer post_reload(Call& call) {
  call.query.expect_nothing_else();
  expect_no_wishes(call.body);
  const ReloadResult result = call.daemon.reload();
  Json document{{"version", 1}};
  if (!result.in_force) document["error"] = "the configuration is wrong; the one that was in force stays";
  document["in_force"] = result.in_force;
  document["findings"] = Json::parse(findings_json(result.findings)).at("findings");
  ApiAnswer answer = ok(document_text(document));
  answer.status = result.in_force ? 200 : 422;
  return answer;
}

struct Route {
  std::string_view method;
  std::vector<std::string_view> path;  ///< "{}" is a segment that says who or what is meant
  ApiAnswer (*answer)(Call&);
};

const std::vector<Route>& routes() {
  static const std::vector<Route> all{
      {"GET", {"v1", "status"}, get_status},   {"GET", {"v1", "peers", "{}"}, get_peer},
      {"GET", {"v1", "jobs"}, get_jobs},       {"GET", {"v1", "runs"}, get_runs},
      {"GET", {"v1", "runs", "{}"}, get_run},  {"GET", {"metrics"}, get_metrics},
      {"POST", {"v1", "runs"}, post_run},      {"POST", {"v1", "runs", "{}", "cancel"}, post_cancel},
      {"POST", {"v1", "cancel"}, post_cancel}, {"POST", {"v1", "pause"}, post_pause},
      {"POST", {"v1", "resume"}, post_resume}, {"POST", {"v1", "reload"}, post_reload},
  };
  return all;
}

bool matches(const Route& route, const std::vector<std::string>& path) {
  return std::ranges::equal(route.path, path, [](std::string_view expected, const std::string& segment) {
    return expected == "{}" || expected == segment;
  });
}

std::string argument_of(const Route& route, const std::vector<std::string>& path) {
  const auto place = std::ranges::find(route.path, "{}");
  return place == route.path.end() ? "" : path.at(static_cast<std::size_t>(place - route.path.begin()));
}

std::vector<const Route*> routes_of(const std::vector<std::string>& path) {
  std::vector<const Route*> found;
  for (const Route& route : routes())
    if (matches(route, path)) found.push_back(&route);
  return found;
}

ApiAnswer not_that_method(const std::vector<const Route*>& possible) {
  ApiAnswer answer = error_answer(405, "that cannot be done there; the answer says in Allow what can");
  for (const Route* route : possible) {
    if (!answer.allow.empty()) answer.allow += ", ";
    answer.allow += route->method == "GET" ? "GET, HEAD" : std::string(route->method);
  }
  return answer;
}

ApiAnswer follow(const Route& route, const RequestTarget& target, const ApiRequest& request,
                 Controllable& daemon) {
  if (!only_looks(request.method) && request.access != Access::full)
    throw Refused(403, "only root and the daemon's own user may do that; the members of its group may look");
  if (only_looks(request.method) && !request.body.empty())
    throw Refused(400, "a request that only looks has no body");
  Call call{daemon, argument_of(route, target.path), Query(target.query), request.body};
  return route.answer(call);
}

ApiAnswer dispatch(const ApiRequest& request, Controllable& daemon) {
  if (request.access == Access::none)
    throw Refused(403, "only root, the daemon's own user and the members of its group may ask it");
  const auto target = parse_request_target(request.target);
  if (!target) throw Refused(400, "the path of the request is none");
  const auto possible = routes_of(target->path);
  if (possible.empty())
    throw Refused(404, "there is nothing at " + peers::printable(request.target, longest_quote));
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const auto route = std::ranges::find(possible, method, [](const Route* each) { return each->method; });
  if (route == possible.end()) return not_that_method(possible);
  return follow(**route, *target, request, daemon);
}

}  // namespace

ApiAnswer error_answer(unsigned status, const std::string& sentence) {
  ApiAnswer answer;
  answer.status = status;
  answer.body = document_text({{"error", sentence}});
  return answer;
}

bool only_looks(const std::string& method) {
  return method == "GET" || method == "HEAD";
}

ApiAnswer respond(const ApiRequest& request, Controllable& daemon) try {
  return dispatch(request, daemon);
} catch (const Refused& refused) {
  return error_answer(refused.status(), refused.what());
} catch (const BadBody& bad) {
  return error_answer(bad.kind() == BadBody::Kind::not_json ? 400 : 422, bad.what());
} catch (const BadQuery& bad_query) {
  return error_answer(400, bad_query.what());
} catch (const std::exception& error) {
  return error_answer(500, "the daemon could not do that: " + peers::printable(error.what(), 300));
}

}  // namespace peerstage::daemon
