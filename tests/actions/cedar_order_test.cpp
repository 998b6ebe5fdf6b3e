// The same actions, put into their order by Cedar Backup itself and by us.

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "action_order_cases.h"
#include "cedar.h"

namespace peerstage::daemon {
namespace {

using Words = std::vector<std::string>;

const char* const modes[] = {"index", "dependency"};
const char* const places[] = {"local", "also", "only"};

struct RandomCase {
  Words words;
  config::Extensions extensions;
  Managed managed = Managed::local;
};

class RandomCases {
 public:
  RandomCase next() {
    RandomCase made;
    made.extensions.order_mode = one_in(2) ? config::OrderMode::index : config::OrderMode::dependency;
    for (std::size_t left = number(6); left > 0; --left) add_extension(made.extensions);
    made.managed = static_cast<Managed>(number(3));
    const std::size_t count = one_in(8) ? 1 : 1 + number(6);
    for (std::size_t left = count; left > 0; --left) made.words.push_back(word(made.extensions));
    return made;
  }

 private:
  std::size_t number(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }
  bool one_in(std::size_t chances) { return number(chances) == 0; }
  const std::string& any_of(const Words& words) { return words[number(words.size())]; }

  /// In the mode `dependency` none that replaces a built-in action: Cedar Backup takes that for a circle.
  void add_extension(config::Extensions& extensions) {
    config::ExtensionAction made;
    const bool replaces = extensions.order_mode == config::OrderMode::index && one_in(6);
    made.name =
        replaces ? any_of(combined_) : std::string(1, static_cast<char>('a' + extensions.actions.size()));
    for (const auto& other : extensions.actions)
      if (other.name == made.name) return;
    made.index = static_cast<std::int64_t>(number(10)) * 50;
    made.depends.emplace();
    for (std::size_t left = number(3); left > 0; --left) made.depends->run_before.push_back(neighbour());
    for (std::size_t left = number(3); left > 0; --left) made.depends->run_after.push_back(neighbour());
    extensions.actions.push_back(made);
  }

  /// Mostly one that is there.
  std::string neighbour() { return one_in(30) ? "all" : any_of(one_in(2) ? combined_ : letters_); }

  std::string word(const config::Extensions& extensions) {
    if (one_in(25)) return any_of({"all", "validate", "rebuild", "initialize", "frob"});
    if (extensions.actions.empty() || one_in(2)) return any_of(combined_);
    return extensions.actions[number(extensions.actions.size())].name;
  }

  std::mt19937 random_{20261120};
  Words combined_{"collect", "stage", "store", "purge"};
  Words letters_{"a", "b", "c", "d"};
};

std::string json_line(const RandomCase& random) {
  nlohmann::json extensions = nlohmann::json::array();
  for (const auto& each : random.extensions.actions) {
    extensions.push_back({{"name", each.name},
                          {"index", *each.index},
                          {"run_before", each.depends->run_before},
                          {"run_after", each.depends->run_after}});
  }
  return nlohmann::json{{"words", random.words},
                        {"order_mode", modes[static_cast<int>(random.extensions.order_mode)]},
                        {"managed", places[static_cast<int>(random.managed)]},
                        {"extensions", extensions}}
             .dump() +
         "\n";
}

/// As Cedar tells it, without saying what an extension is.
std::string our_answer(const RandomCase& random) {
  try {
    std::string text;
    for (const ActionItem& item : order_actions(random.words, &random.extensions, random.managed)) {
      text += (text.empty() ? "" : ", ") + item.name + (item.place == ActionPlace::here ? " here" : " peers");
    }
    return text;
  } catch (const ActionError&) {
    return "error";
  }
}

TEST(CedarOrder, is_ours_in_2000_random_cases) {
  if (!has_cedar()) GTEST_SKIP() << "needs cedar-backup3";
  RandomCases cases;
  std::vector<RandomCase> asked;
  std::string questions;
  for (int round = 0; round < 2000; ++round) {
    asked.push_back(cases.next());
    questions += json_line(asked.back());
  }
  const Words answers = ask_cedar("cedar_order.py", questions);
  ASSERT_EQ(answers.size(), asked.size());
  std::size_t orders = 0, errors = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    EXPECT_EQ(our_answer(asked[i]), answers[i]) << json_line(asked[i]);
    ++(answers[i] == "error" ? errors : orders);
  }
  EXPECT_GT(orders, 500U);
  EXPECT_GT(errors, 100U);
}

}  // namespace
}  // namespace peerstage::daemon
