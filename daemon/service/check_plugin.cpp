#include "daemon/service/check_plugin.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "daemon/readable.h"
#include "daemon/service/page.h"

namespace peerstage::daemon {
namespace {

// NRPE's packets take 1024 bytes, of which the figures need about 300.
constexpr std::size_t longest_text = 600;
constexpr std::size_t longest_sentence = 200;
constexpr std::size_t longest_name = 40;
constexpr std::size_t most_names = 4;

using PeerList = std::vector<const ServicePeer*>;

/// The first `limit` bytes, no character cut. A bar would begin the figures.
std::string bounded(std::string_view text, std::size_t limit) {
  std::string result = shown(text);
  std::replace(result.begin(), result.end(), '|', '/');
  if (result.size() <= limit) return result;
  const auto continues = [&result](std::size_t at) {
    return (static_cast<unsigned char>(result[at]) & 0xC0U) == 0x80U;
  };
  while (limit > 0 && continues(limit)) --limit;
  return result.substr(0, limit) + "...";
}

const char* word(CheckStatus status) {
  switch (status) {
    case CheckStatus::ok:
      return "OK";
    case CheckStatus::warning:
      return "WARNING";
    case CheckStatus::critical:
      return "CRITICAL";
    case CheckStatus::unknown:
      break;
  }
  return "UNKNOWN";
}

CheckResult result(CheckStatus status, std::string_view text, const std::string& figures = {}) {
  return {status, std::string("PEERSTAGE ") + word(status) + " - " + bounded(text, longest_text) +
                      (figures.empty() ? "" : " | " + figures)};
}

PeerList with(const PeerList& peers, PeerCondition condition) {
  PeerList result;
  for (const ServicePeer* peer : peers)
    if (standing(*peer) == condition) result.push_back(peer);
  return result;
}

PeerList stale(const PeerList& peers) {
  PeerList result;
  for (const ServicePeer* peer : peers)
    if (peer->stale) result.push_back(peer);
  return result;
}

std::string names(const PeerList& peers) {
  std::string text;
  for (std::size_t i = 0; i < std::min(peers.size(), most_names); ++i)
    text += (i > 0 ? ", " : "") + bounded(peers[i]->name, longest_name);
  if (peers.size() > most_names) text += " and " + std::to_string(peers.size() - most_names) + " more";
  return text;
}

/// Complaints in the order of their weight; the worst decides.
class Judgement {
 public:
  void add(CheckStatus status, const std::string& complaint) {
    status_ = std::max(status_, status);
    text_ += (text_.empty() ? "" : "; ") + complaint;
  }
  void add(CheckStatus status, const PeerList& peers, const char* what) {
    if (!peers.empty()) add(status, std::to_string(peers.size()) + " " + what + ": " + names(peers));
  }
  CheckStatus status() const { return status_; }
  const std::string& text() const { return text_; }

 private:
  CheckStatus status_ = CheckStatus::ok;
  std::string text_;
};

void judge_daemon(Judgement& judgement, const ServiceState& state) {
  if (state.paused) judgement.add(CheckStatus::warning, "the schedule is paused");
  if (state.config_error)
    judgement.add(CheckStatus::warning, "the configuration is wrong, the one before is in force: " +
                                            bounded(*state.config_error, longest_sentence));
  if (state.catalog_error)
    judgement.add(CheckStatus::warning,
                  "the catalog cannot be used: " + bounded(*state.catalog_error, longest_sentence));
}

Judgement judge(const ServiceState& state, const PeerList& peers) {
  Judgement judgement;
  judgement.add(CheckStatus::critical, with(peers, PeerCondition::failed), "failed");
  judgement.add(CheckStatus::critical, stale(peers), "without a recent good stage");
  judgement.add(CheckStatus::warning, with(peers, PeerCondition::not_ready), "not ready");
  judgement.add(CheckStatus::warning, with(peers, PeerCondition::never_staged), "never staged");
  if (peers.empty()) judgement.add(CheckStatus::warning, "no peer is configured");
  judge_daemon(judgement, state);
  return judgement;
}

std::optional<std::chrono::seconds> greatest_age(const PeerList& peers, WallTime now) {
  std::optional<std::chrono::seconds> greatest;
  for (const ServicePeer* peer : peers) greatest = std::max(greatest, age(*peer, now));  // absent is least
  return greatest;
}

/// 'label'=value[UOM];[warn];[crit];[min];[max], where a threshold of 0 alerts above 0, and U is a value that
/// cannot be had.
std::string figures(const ServiceState& state, const PeerList& peers) {
  const auto count = [](const PeerList& list) { return std::to_string(list.size()); };
  const auto oldest = greatest_age(peers, state.now);
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(state.stale_after);
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  for (const ServicePeer* peer : peers) {
    files += peer->files;
    bytes += peer->bytes;
  }
  return "'peers'=" + count(peers) + ";;;0 'failed'=" + count(with(peers, PeerCondition::failed)) +
         ";;0;0 'stale'=" + count(stale(peers)) +
         ";;0;0 'not_ready'=" + count(with(peers, PeerCondition::not_ready)) +
         ";0;;0 'never_staged'=" + count(with(peers, PeerCondition::never_staged)) +
         ";0;;0 'age_max'=" + (oldest ? std::to_string(oldest->count()) + "s" : "U") + ";;" +
         (limit.count() > 0 ? std::to_string(limit.count()) : "") + ";0 'files'=" + std::to_string(files) +
         ";;;0 'size'=" + std::to_string(bytes) + "B;;;0";
}

std::string good_text(const ServiceState& state, const PeerList& peers) {
  const auto oldest = greatest_age(peers, state.now);
  return std::to_string(peers.size()) + (peers.size() == 1 ? " peer" : " peers") +
         (oldest ? ", oldest good stage " + readable_duration(*oldest) + " ago" : "") +
         (state.run ? ", a run is going on" : "");
}

}  // namespace

CheckResult check_result(const ServiceState& state, const std::vector<std::string>& names) {
  std::unordered_set<std::string_view> wanted(names.begin(), names.end());
  PeerList peers;
  for (const auto& peer : state.peers)
    if (names.empty() || wanted.erase(peer.name) > 0) peers.push_back(&peer);
  if (!wanted.empty())
    return check_impossible("the daemon knows no peer " + bounded(*wanted.begin(), longest_name));
  const Judgement judgement = judge(state, peers);
  const bool good = judgement.status() == CheckStatus::ok;
  return result(judgement.status(), good ? good_text(state, peers) : judgement.text(), figures(state, peers));
}

CheckResult daemon_does_not_answer(std::string_view why) {
  return result(CheckStatus::critical, why);
}

CheckResult check_impossible(std::string_view why) {
  return result(CheckStatus::unknown, why);
}

}  // namespace peerstage::daemon
