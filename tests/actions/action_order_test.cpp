#include "daemon/actions/action_order.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "action_order_cases.h"
#include "daemon/actions/dependency_order.h"

namespace peerstage::daemon {
namespace {

using config::OrderMode;
using testing::AllOf;
using testing::HasSubstr;
using Words = std::vector<std::string>;

config::ExtensionAction at(const char* name, std::int64_t index) {
  config::ExtensionAction extension;
  extension.name = name;
  extension.index = index;
  return extension;
}

config::ExtensionAction between(const char* name, Words run_after, Words run_before) {
  config::ExtensionAction extension;
  extension.name = name;
  extension.depends = {std::move(run_before), std::move(run_after)};
  return extension;
}

struct Ordered {
  const char* name;
  Words words;
  config::Extensions extensions;
  Managed managed;
  std::string result;
};

class ActionsInOrder : public testing::TestWithParam<Ordered> {};

TEST_P(ActionsInOrder, become) {
  const Ordered& test = GetParam();
  EXPECT_EQ(items_text(order_actions(test.words, &test.extensions, test.managed)), test.result);
}

const config::Extensions none{};
const config::Extensions three{
    OrderMode::dependency,
    {between("e1", {}, {}), between("e2", {"collect"}, {"stage"}), between("e3", {}, {"collect"})}};

const std::vector<Ordered> ordered{
    {"one", {"stage"}, none, Managed::local, "stage here"},
    {"by_index_not_as_typed",
     {"purge", "stage", "collect"},
     none,
     Managed::local,
     "collect here, stage here, purge here"},
    {"twice_runs_twice",
     {"stage", "purge", "stage"},
     none,
     Managed::local,
     "stage here, stage here, purge here"},
    {"all_is_four", {"all"}, none, Managed::local, "collect here, stage here, store here, purge here"},
    {"all_without_extensions",
     {"all"},
     {OrderMode::index, {at("mysql", 1)}},
     Managed::local,
     "collect here, stage here, store here, purge here"},
    {"all_with_another_index_of_purge",
     {"all"},
     {OrderMode::index, {at("purge", 1)}},
     Managed::local,
     "purge here extension, collect here, stage here, store here"},
    {"extensions_by_index",
     {"collect", "late", "early"},
     {OrderMode::index, {at("late", 101), at("early", 99)}},
     Managed::local,
     "early here extension, collect here, late here extension"},
    {"same_index_as_typed",
     {"b", "collect", "a"},
     {OrderMode::index, {at("a", 100), at("b", 100)}},
     Managed::local,
     "b here extension, collect here, a here extension"},
    {"here_and_then_on_the_peers",
     {"stage", "collect"},
     none,
     Managed::also,
     "collect here, collect peers, stage here, stage peers"},
    {"same_index_here_before_all_peers",
     {"b", "a"},
     {OrderMode::index, {at("a", 5), at("b", 5)}},
     Managed::also,
     "b here extension, a here extension, b peers extension, a peers extension"},
    {"on_the_peers_only", {"purge", "collect"}, none, Managed::only, "collect peers, purge peers"},
    {"all_on_the_peers",
     {"all"},
     none,
     Managed::only,
     "collect peers, stage peers, store peers, purge peers"},
    {"validate_on_the_peers", {"validate"}, none, Managed::also, "validate here, validate peers"},
    {"by_dependency",
     {"purge", "store", "stage", "e2", "collect", "e1", "e3"},
     three,
     Managed::local,
     "e3 here extension, e1 here extension, collect here, e2 here extension, stage here, store here, purge "
     "here"},
    {"dependency_mode_without_extensions",
     {"purge", "collect"},
     {OrderMode::dependency, {}},
     Managed::local,
     "collect here, purge here"},
    {"a_built_in_action_replaced_by_dependency",
     {"purge", "stage"},
     {OrderMode::dependency, {between("purge", {}, {})}},
     Managed::local,
     "stage here, purge here extension"},
};

INSTANTIATE_TEST_SUITE_P(Table, ActionsInOrder, testing::ValuesIn(ordered),
                         [](const auto& test) { return std::string(test.param.name); });

struct Refused {
  const char* name;
  Words words;
  config::Extensions extensions;
  const char* message;
};

class RefusedActions : public testing::TestWithParam<Refused> {};

TEST_P(RefusedActions, say_why) {
  const Refused& test = GetParam();
  try {
    order_actions(test.words, &test.extensions, Managed::local);
    FAIL() << "was accepted";
  } catch (const ActionError& error) {
    EXPECT_THAT(error.what(), HasSubstr(test.message));
  }
}

const std::vector<Refused> refused{
    {"unknown",
     {"frob"},
     none,
     "the action frob is unknown: there are collect, stage, purge, validate and all;"},
    {"unknown_beside_a_good_one", {"stage", "frob"}, none, "frob is unknown"},
    {"unknown_with_extensions",
     {"frob"},
     {OrderMode::index, {at("mysql", 1), at("sysinfo", 2)}},
     "and the extensions mysql, sysinfo;"},
    {"unknown_with_control_characters", {"\x1b[2J"}, none, "\\x1b[2J is unknown"},
    {"empty_word", {""}, none, "is unknown"},
    {"all_with_another", {"all", "stage"}, none, "all cannot be combined"},
    {"all_twice", {"all", "all"}, none, "all cannot be combined"},
    {"validate_with_another", {"collect", "validate"}, none, "validate cannot be combined"},
    {"rebuild_with_another", {"stage", "rebuild"}, none, "rebuild cannot be combined"},
    {"initialize_with_another", {"initialize", "store"}, none, "initialize cannot be combined"},
    {"validate_with_an_extension",
     {"mysql", "validate"},
     {OrderMode::index, {at("mysql", 1)}},
     "validate cannot be combined"},
    {"dependency_on_something_unknown",
     {"stage"},
     {OrderMode::dependency, {between("e1", {"frob"}, {})}},
     "run_after of the extension e1 names frob"},
    {"dependency_on_all",
     {"stage"},
     {OrderMode::dependency, {between("e1", {}, {"all"})}},
     "run_before of the extension e1 names all"},
    {"circle_with_built_in_actions",
     {"stage"},
     {OrderMode::dependency, {between("e1", {"purge"}, {"collect"})}},
     "e1 before collect"},
    {"circle_of_one",
     {"stage"},
     {OrderMode::dependency, {between("e1", {"e1"}, {})}},
     "circle: e1 before e1"},
};

INSTANTIATE_TEST_SUITE_P(Table, RefusedActions, testing::ValuesIn(refused),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ActionOrder, without_an_extensions_section) {
  EXPECT_EQ(items_text(order_actions({"purge", "stage"}, nullptr, Managed::local)), "stage here, purge here");
}

TEST(DependencyOrder, takes_a_chain_as_long_as_a_configuration) {
  constexpr int length = 200'000;
  DependencyOrder order;
  for (int number = 0; number < length; ++number) order.add(std::to_string(number));
  for (int number = 1; number < length; ++number)
    order.add_edge(std::to_string(number - 1), std::to_string(number));
  const auto sorted = order.sorted();
  ASSERT_EQ(sorted.size(), length);
  EXPECT_EQ(sorted.front(), "0");
  EXPECT_EQ(sorted.back(), std::to_string(length - 1));
}

}  // namespace
}  // namespace peerstage::daemon
