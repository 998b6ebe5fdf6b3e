#include "daemon/service/metrics.h"

#include <map>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "daemon/service/exposition.h"
#include "tests/service/example_state.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

using Labels = std::map<std::string, std::string>;

struct Family {
  std::string type, help;
  std::map<Labels, double> samples;
};
using Families = std::map<std::string, Family>;

/// Reads the text format from its grammar ("Exposition formats", Prometheus documentation, 0.0.4), and takes
/// nothing that the grammar does not.
class ExpositionReader {
 public:
  explicit ExpositionReader(const std::string& text) : text_(text) {}

  Families read() {
    while (at_ < text_.size()) text_[at_] == '#' ? comment() : sample();
    return families_;
  }

 private:
  [[noreturn]] void refuse(const std::string& why) {
    throw std::runtime_error(why + " at " + text_.substr(at_, 40));
  }
  void expect(std::string_view what) {
    if (text_.compare(at_, what.size(), what) != 0) refuse("no '" + std::string(what) + "'");
    at_ += what.size();
  }
  std::string name(bool colons) {
    const std::size_t begin = at_;
    const auto fits = [&](char c) {
      return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (colons && c == ':') ||
             (at_ > begin && std::isdigit(static_cast<unsigned char>(c)) != 0);
    };
    while (at_ < text_.size() && fits(text_[at_])) ++at_;
    if (at_ == begin) refuse("no name");
    return text_.substr(begin, at_ - begin);
  }
  std::string escaped(char end, bool quotes) {
    std::string result;
    for (; at_ < text_.size() && text_[at_] != end; ++at_) {
      if (text_[at_] == '\n') refuse("a line ends too early");
      if (text_[at_] != '\\') {
        result += text_[at_];
        continue;
      }
      const char next = text_.at(++at_);
      if (next != '\\' && next != 'n' && !(quotes && next == '"')) refuse("an unknown escape");
      result += next == 'n' ? '\n' : next;
    }
    return result;
  }
  void comment() {
    if (text_.compare(at_, 7, "# HELP ") == 0) {
      at_ += 7;
      current_ = name(true);
      if (families_.count(current_) > 0) refuse("a second family");
      expect(" ");
      families_[current_].help = escaped('\n', false);
    } else {
      expect("# TYPE ");
      if (name(true) != current_) refuse("the type of another family");
      expect(" ");
      families_[current_].type = name(false);
    }
    expect("\n");
  }
  void sample() {
    if (name(true) != current_ || families_[current_].type.empty()) refuse("a sample outside of its family");
    Labels labels;
    if (text_.at(at_) == '{') {
      do {
        ++at_;
        const std::string label = name(false);
        expect("=\"");
        if (!labels.emplace(label, escaped('"', true)).second) refuse("a label twice");
        expect("\"");
      } while (text_.at(at_) == ',');
      expect("}");
    }
    expect(" ");
    const std::size_t end = text_.find('\n', at_);
    std::size_t used = 0;
    const double value = std::stod(text_.substr(at_, end - at_), &used);
    if (at_ + used != end) refuse("no number");
    at_ = end + 1;
    if (!families_[current_].samples.emplace(labels, value).second) refuse("a sample twice");
  }

  std::string text_, current_;
  std::size_t at_ = 0;
  Families families_;
};

Families read(const std::string& text) {
  return ExpositionReader(text).read();
}

double only(const Families& families, const std::string& name) {
  const auto& samples = families.at(name).samples;
  EXPECT_EQ(samples.size(), 1U) << name;
  return samples.begin()->second;
}

ServiceState pool() {
  ServiceState state = example_state();
  state.peers = {example_peer("web1", 9h), failed_peer("db", 40h, "x")};
  state.peers[0].group = "rack1";
  state.peers[1].condition = PeerCondition::connecting;
  state.peers[1].stale = true;
  state.peers.emplace_back().name = "new";
  state.peers[2].condition = PeerCondition::waiting;
  state.counters = {1, 2, 3, 4, 5, 6, 7, 8};
  state.queue.resize(2);
  ServiceRun run;
  run.started = example_now() - 1min;
  run.peers = 3, run.done = 1, run.failed = 1;
  run.planned = {10, 100};
  run.arrived = {5, 50};
  state.run = run;
  return state;
}

constexpr double now = 1'795'176'000;  // example_now()

TEST(Metrics, tell_how_the_daemon_is) {
  const Families families = read(metrics_text(pool()));
  EXPECT_EQ(families.at("peerstage_build_info").samples,
            (std::map<Labels, double>{{{{"version", "0.1.0"}}, 1}}));
  EXPECT_EQ(only(families, "peerstage_paused"), 0);
  EXPECT_EQ(only(families, "peerstage_config_last_reload_successful"), 1);
  EXPECT_EQ(only(families, "peerstage_config_last_reload_success_timestamp_seconds"), now - 76 * 3600);
  EXPECT_EQ(only(families, "peerstage_catalog_ok"), 1);
  EXPECT_EQ(only(families, "peerstage_stale_after_seconds"), 36 * 3600);
  EXPECT_EQ(only(families, "process_start_time_seconds"), now - 76 * 3600);
  EXPECT_EQ(only(families, "process_resident_memory_bytes"), 20e6);
  EXPECT_EQ(only(families, "process_open_fds"), 17);
}

TEST(Metrics, tell_what_is_wrong_with_it) {
  ServiceState state = pool();
  state.paused = true;
  state.config_error = state.catalog_error = "no";
  const Families families = read(metrics_text(state));
  EXPECT_EQ(only(families, "peerstage_paused"), 1);
  EXPECT_EQ(only(families, "peerstage_config_last_reload_successful"), 0);
  EXPECT_EQ(only(families, "peerstage_catalog_ok"), 0);
}

TEST(Metrics, count_what_has_happened) {
  const Families families = read(metrics_text(pool()));
  EXPECT_EQ(families.at("peerstage_runs_total").type, "counter");
  EXPECT_EQ(families.at("peerstage_runs_total").samples,
            (std::map<Labels, double>{{{{"status", "ok"}}, 1},
                                      {{{"status", "failed"}}, 2},
                                      {{{"status", "not_ready"}}, 3},
                                      {{{"status", "interrupted"}}, 4},
                                      {{{"status", "error"}}, 5}}));
  EXPECT_EQ(only(families, "peerstage_slots_skipped_total"), 6);
  EXPECT_EQ(only(families, "peerstage_received_bytes_total"), 7);
  EXPECT_EQ(only(families, "peerstage_received_files_total"), 8);
}

TEST(Metrics, tell_of_the_run_that_is_going_on) {
  const Families families = read(metrics_text(pool()));
  EXPECT_EQ(only(families, "peerstage_queued_runs"), 2);
  EXPECT_EQ(only(families, "peerstage_run_in_progress"), 1);
  EXPECT_EQ(only(families, "peerstage_run_start_timestamp_seconds"), now - 60);
  EXPECT_EQ(only(families, "peerstage_run_failed_peers"), 1);
  EXPECT_EQ(only(families, "peerstage_run_planned_files"), 10);
  EXPECT_EQ(only(families, "peerstage_run_planned_bytes"), 100);
  EXPECT_EQ(only(families, "peerstage_run_arrived_files"), 5);
  EXPECT_EQ(only(families, "peerstage_run_arrived_bytes"), 50);
  EXPECT_EQ(families.at("peerstage_run_peers").samples,
            (std::map<Labels, double>{{{{"state", "waiting"}}, 1},
                                      {{{"state", "connecting"}}, 1},
                                      {{{"state", "transferring"}}, 0},
                                      {{{"state", "put_off"}}, 0},
                                      {{{"state", "paused"}}, 0},
                                      {{{"state", "done"}}, 1}}));
}

TEST(Metrics, have_the_same_series_when_no_run_is_going_on) {
  ServiceState state = pool();
  const Families busy = read(metrics_text(state));
  state.run.reset();
  const Families idle = read(metrics_text(state));
  ASSERT_EQ(idle.size(), busy.size());
  for (const auto& [name, family] : busy)
    EXPECT_EQ(idle.at(name).samples.size(), family.samples.size()) << name;
  EXPECT_EQ(only(idle, "peerstage_run_in_progress"), 0);
  EXPECT_EQ(only(idle, "peerstage_run_start_timestamp_seconds"), 0);
}

TEST(Metrics, tell_when_jobs_are_due) {
  ServiceState state = pool();
  state.jobs.push_back({"weekly", "@weekly", {}, {}});
  const Families families = read(metrics_text(state));
  EXPECT_EQ(families.at("peerstage_job_next_run_timestamp_seconds").samples,
            (std::map<Labels, double>{{{{"name", "nightly"}}, now + 52'200}}));
  EXPECT_EQ(families.at("peerstage_job_last_slot_timestamp_seconds").samples,
            (std::map<Labels, double>{{{{"name", "nightly"}}, now - 34'200}, {{{"name", "weekly"}}, 0}}));
}

TEST(Metrics, tell_of_each_peer) {
  const Families families = read(metrics_text(pool()));
  const auto of_peers = [&families](const std::string& name) {
    std::vector<double> values;
    for (const char* peer : {"web1", "db", "new"})
      values.push_back(families.at(name).samples.at({{"peer", peer}}));
    return values;
  };
  EXPECT_THAT(of_peers("peerstage_peer_last_success_timestamp_seconds"),
              ElementsAre(now - 32'400, now - 144'000, 0));
  EXPECT_EQ(families.at("peerstage_peer_last_success_age_seconds").samples,
            (std::map<Labels, double>{{{{"peer", "web1"}}, 32'400}, {{{"peer", "db"}}, 144'000}}));
  EXPECT_THAT(of_peers("peerstage_peer_files"), ElementsAre(12, 12, 0));
  EXPECT_THAT(of_peers("peerstage_peer_bytes"), ElementsAre(123'456, 123'456, 0));
  EXPECT_THAT(of_peers("peerstage_peer_last_duration_seconds"), ElementsAre(0.84, 0.84, 0));
  EXPECT_THAT(of_peers("peerstage_peer_last_attempts"), ElementsAre(1, 4, 0));
  EXPECT_THAT(of_peers("peerstage_peer_failures_since_success"), ElementsAre(0, 1, 0));
  EXPECT_THAT(of_peers("peerstage_peer_stale"), ElementsAre(0, 1, 0));
  EXPECT_EQ(families.at("peerstage_peer_info").samples,
            (std::map<Labels, double>{{{{"peer", "web1"}, {"type", "remote"}, {"group", "rack1"}}, 1},
                                      {{{"peer", "db"}, {"type", "remote"}, {"group", ""}}, 1},
                                      {{{"peer", "new"}, {"type", "local"}, {"group", ""}}, 1}}));
}

TEST(Metrics, have_one_state_a_peer_whatever_a_run_does_with_it) {
  const Families families = read(metrics_text(pool()));
  std::map<std::string, std::set<std::string>> states;
  for (const auto& [labels, value] : families.at("peerstage_peer_state").samples)
    if (value == 1) states[labels.at("peer")].insert(labels.at("state"));
  EXPECT_EQ(states, (std::map<std::string, std::set<std::string>>{
                        {"web1", {"good"}}, {"db", {"failed"}}, {"new", {"never_staged"}}}));
  EXPECT_EQ(families.at("peerstage_peer_state").samples.size(), 3U * 7U);
}

TEST(Metrics, are_named_by_the_conventions) {
  for (const auto& [name, family] : read(metrics_text(pool()))) {
    EXPECT_EQ(family.type == "counter", testing::Value(name, testing::EndsWith("_total"))) << name;
    EXPECT_TRUE(family.type == "counter" || family.type == "gauge") << name;
    EXPECT_THAT(family.help, testing::EndsWith(".")) << name;
  }
}

TEST(Metrics, of_a_file_repeat_no_name_of_the_exporter_that_reads_it) {
  const Families families = read(metrics_text(pool(), MetricsReader::textfile_collector));
  for (const auto& [name, family] : families) EXPECT_THAT(name, testing::StartsWith("peerstage_"));
  EXPECT_EQ(only(families, "peerstage_process_open_fds"), 17);
  EXPECT_EQ(families.size(), read(metrics_text(pool())).size());
}

TEST(Metrics, of_ten_thousand_peers_are_a_few_megabytes) {
  ServiceState state = example_state();
  for (int i = 0; i < 10'000; ++i) state.peers.push_back(example_peer("peer" + std::to_string(i), 9h));
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = metrics_text(state);
  RecordProperty("milliseconds",
                 static_cast<int>((std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(1)));
  EXPECT_LT(text.size(), 12U << 20U);
  EXPECT_EQ(read(text).at("peerstage_peer_state").samples.size(), 70'000U);
}

TEST(Exposition, escapes_labels_and_help) {
  Exposition out;
  out.family("a_total", Exposition::Kind::counter, "back\\slash, \"quotes\",\nlines");
  out.sample(1, {{"l", "a\\b\"c\nd"}, {"m", "ü"}});
  const std::string text = out.take();
  EXPECT_EQ(text,
            "# HELP a_total back\\\\slash, \"quotes\",\\nlines\n"
            "# TYPE a_total counter\n"
            "a_total{l=\"a\\\\b\\\"c\\nd\",m=\"ü\"} 1\n");
  const Families families = read(text);
  EXPECT_EQ(families.at("a_total").help, "back\\slash, \"quotes\",\nlines");
  EXPECT_EQ(families.at("a_total").samples.begin()->first, (Labels{{"l", "a\\b\"c\nd"}, {"m", "ü"}}));
}

std::vector<std::string> names_in(const test::TemporaryDirectory& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    names.push_back(entry.path().filename());
  return names;
}

std::string complaint(const std::string& path) {
  try {
    write_metrics_file(path, "text\n");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no complaint";
}

TEST(MetricsFile, replaces_the_one_before_and_can_be_read_by_all) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.write("peerstage.prom", "a long old text\n");
  const mode_t before = ::umask(0077);
  write_metrics_file(path, "new\n");
  ::umask(before);
  EXPECT_EQ(test::read_text(path), "new\n");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
  EXPECT_THAT(names_in(directory), ElementsAre("peerstage.prom"));
}

TEST(MetricsFile, removes_what_a_killed_daemon_left) {
  const test::TemporaryDirectory directory;
  directory.write(".m.prom.new", "half");
  write_metrics_file(directory / "m.prom", "new\n");
  EXPECT_THAT(names_in(directory), ElementsAre("m.prom"));
  EXPECT_EQ(test::read_text(directory / "m.prom"), "new\n");
}

TEST(MetricsFile, follows_no_link) {
  const test::TemporaryDirectory directory;
  const std::string treasure = directory.write("treasure", "gold\n");
  std::filesystem::create_symlink(treasure, directory / ".m.prom.new");
  std::filesystem::create_symlink(treasure, directory / "m.prom");
  write_metrics_file(directory / "m.prom", "new\n");
  EXPECT_EQ(test::read_text(treasure), "gold\n");
  EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(directory / "m.prom")));
}

TEST(MetricsFile, says_what_could_not_be_done) {
  const test::TemporaryDirectory directory;
  EXPECT_EQ(complaint(directory / "no/m.prom"), "cannot write the metrics file " + (directory / "no/m.prom") +
                                                    ": opening its directory: No such file or directory");
  std::filesystem::create_directories(directory / ".d.prom.new/x");
  EXPECT_EQ(complaint(directory / "d.prom"), "cannot write the metrics file " + (directory / "d.prom") +
                                                 ": making .d.prom.new beside it: Is a directory");
  std::filesystem::create_directories(directory / "e.prom/x");
  EXPECT_EQ(complaint(directory / "e.prom"), "cannot write the metrics file " + (directory / "e.prom") +
                                                 ": putting the new one in its place: Is a directory");
  EXPECT_FALSE(std::filesystem::exists(directory / ".e.prom.new"));
}

}  // namespace
}  // namespace peerstage::daemon
