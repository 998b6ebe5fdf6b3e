#include "config/values.h"

#include <functional>
#include <limits>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace peerstage::config {
namespace {

using std::chrono::milliseconds;

template <typename Parse>
auto parsed(const Parse& parse, const std::string& text) -> std::optional<decltype(parse(text))> {
  try {
    return parse(text);
  } catch (const BadValue&) {
    return std::nullopt;
  }
}

template <typename Value>
struct Row {
  std::string text;
  std::optional<Value> value;
};

template <typename Value, typename Parse>
void expect_rows(const Parse& parse, std::initializer_list<Row<Value>> rows) {
  for (const auto& row : rows) EXPECT_EQ(parsed(parse, row.text), row.value) << quoted(row.text);
}

constexpr auto refused = std::nullopt;

TEST(Values, IntegersAreReadAsPythonReadsThem) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  expect_rows<std::int64_t>(as_integer,
                            {{"0", 0},
                             {"+1", 1},
                             {"-12", -12},
                             {" \n7\t", 7},
                             {"\u00a07\u2028", 7},
                             {"1_000", 1000},
                             {"007", 7},
                             {"٤٢", 42},
                             {std::string(30, '9'), most},
                             {"-" + std::string(30, '9'), std::numeric_limits<std::int64_t>::min()},
                             {std::string(4300, '0'), 0},
                             {std::string(4301, '0'), refused},
                             {"1__0", refused},
                             {"_1", refused},
                             {"1_", refused},
                             {"1.0", refused},
                             {"1e1", refused},
                             {"0x1", refused},
                             {"12abc", refused},
                             {"+", refused},
                             {"--1", refused},
                             {"- 1", refused},
                             {"\u200b1", refused},
                             {" ", refused}});
  expect_rows<std::int64_t>(as_count, {{"0", 0}, {"-0", 0}, {"-1", refused}});
  expect_rows<std::int64_t>(as_positive, {{"1", 1}, {"0", refused}});
}

TEST(Values, BooleansAreFourLetters) {
  expect_rows<bool>(as_boolean, {{"Y", true},
                                 {"y", true},
                                 {"N", false},
                                 {"n", false},
                                 {"yes", refused},
                                 {"1", refused},
                                 {" Y", refused},
                                 {"true", refused}});
}

TEST(Values, ActionNamesAndLists) {
  using List = std::vector<std::string>;
  expect_rows<std::string>(as_action_name, {{"collect", "collect"},
                                            {"a1\n", "a1\n"},
                                            {"A", refused},
                                            {"a b", refused},
                                            {"a1\n\n", refused},
                                            {"é", refused}});
  expect_rows<List>(as_action_names, {{"a, b ,,\tc", List{"a", "b", "c"}},
                                      {",", List{}},
                                      {" ", List{}},
                                      {"\u00a0a", List{"a"}},
                                      {"a,B", refused},
                                      {"\u200b", refused}});
}

TEST(Values, PythonNames) {
  expect_rows<std::string>(as_python_module, {{"a.b1._c", "a.b1._c"},
                                              {"a\n", "a\n"},
                                              {"a..b", refused},
                                              {".a", refused},
                                              {"1a", refused},
                                              {"é", refused},
                                              {"\n", refused}});
  expect_rows<std::string>(as_python_identifier, {{"_a", "_a"}, {"a.b", refused}, {"a-b", refused}});
}

TEST(Values, ScsiIds) {
  for (const char* id : {"1,2,3", " 1, 2 ,3\n", "ATA:1,2,3", "a:b: 1,2,3", ":1,2,3",
                         "IOCompactDiscServices/1", "IO x Services"}) {
    EXPECT_TRUE(parsed(as_scsi_id, id)) << id;
  }
  for (const char* id : {"1,2", "1,2,3,4", "-1,2,3", "IOServices/", "IOaServices/1/2", "x"}) {
    EXPECT_FALSE(parsed(as_scsi_id, id)) << id;
  }
}

TEST(Values, BlankingFactorsAreWhatPythonCallsANumber) {
  for (const char* number : {"1.3", "0", "-0", "inf", "Infinity", "nan", "-nan", "1e3", "1e400", ".5", "5.",
                             "+.5e-3", "1_0.5", " 1 ", "٣"}) {
    EXPECT_TRUE(parsed(as_blanking_factor, number)) << number;
  }
  for (const char* number :
       {"-1", "-inf", "-1e400", "x", "0x1", "1__0", "e1", "1e", " ", "+-1", "++1", "nan(1)", "."}) {
    EXPECT_FALSE(parsed(as_blanking_factor, number)) << number;
  }
}

TEST(Values, DurationsNeedAUnit) {
  expect_rows<milliseconds>(as_duration, {{"0", milliseconds(0)},
                                          {"500ms", milliseconds(500)},
                                          {"30s", std::chrono::seconds(30)},
                                          {"10m", std::chrono::minutes(10)},
                                          {"4h", std::chrono::hours(4)},
                                          {"2d", std::chrono::hours(48)},
                                          {"0s", milliseconds(0)},
                                          {"30", refused},
                                          {"30 s", refused},
                                          {" 30s", refused},
                                          {"30S", refused},
                                          {"1.5h", refused},
                                          {"-1s", refused},
                                          {"+1s", refused},
                                          {"1h30m", refused},
                                          {"s", refused},
                                          {"36501d", refused},
                                          {"99999999999999999999s", refused}});
}

TEST(Values, DurationsKeepTheirRange) {
  const AsDuration range{milliseconds(100), std::chrono::hours(1)};
  expect_rows<milliseconds>(range, {{"99ms", refused},
                                    {"100ms", milliseconds(100)},
                                    {"60m", std::chrono::hours(1)},
                                    {"3601s", refused},
                                    {"0", refused}});
}

TEST(Values, SizesAreBytesOrPowersOf1024) {
  expect_rows<ByteCount>(as_size,
                         {{"0", ByteCount{0}},
                          {"1000", ByteCount{1000}},
                          {"1KB", ByteCount{1024}},
                          {"20 MB", ByteCount{20U << 20U}},
                          {"3GB", ByteCount{3ULL << 30U}},
                          {"2 TB", ByteCount{2ULL << 40U}},
                          {"18446744073709551615", ByteCount{std::numeric_limits<std::uint64_t>::max()}},
                          {"18446744073709551616", refused},
                          {"16777216TB", refused},
                          {"1 kb", refused},
                          {"1 B", refused},
                          {"1.5 MB", refused},
                          {"1  MB", refused},
                          {"1 MB ", refused},
                          {"1 ", refused},
                          {"-1", refused},
                          {"MB", refused}});
}

TEST(Values, MinimumFreeIsAPercentageOrASize) {
  expect_rows<MinimumFree>(as_minimum_free, {{"5%", MinimumFree{5.0}},
                                             {"0%", MinimumFree{0.0}},
                                             {"12.5%", MinimumFree{12.5}},
                                             {"10 GB", MinimumFree{ByteCount{10ULL << 30U}}},
                                             {"100%", refused},
                                             {"-1%", refused},
                                             {"%", refused},
                                             {"5 %", refused},
                                             {"nan%", refused}});
}

TEST(Values, ModesAreOctalWithoutSpecialBits) {
  expect_rows<FileMode>(as_file_mode, {{"640", FileMode{0640}},
                                       {"0640", FileMode{0640}},
                                       {"0", FileMode{0}},
                                       {"777", FileMode{0777}},
                                       {"1777", refused},
                                       {"888", refused},
                                       {"0o640", refused},
                                       {"-1", refused},
                                       {"640 ", refused}});
}

TEST(Values, NumbersAndPortsKeepTheirRange) {
  expect_rows<unsigned>(AsNumber{1, 16}, {{"1", 1U},
                                          {"16", 16U},
                                          {"0", refused},
                                          {"17", refused},
                                          {" 7", refused},
                                          {"12abc", refused},
                                          {"0x1F", refused},
                                          {"99999999999", refused}});
  expect_rows<Port>(
      as_port,
      {{"1", Port{1}}, {"65535", Port{65535}}, {"0", refused}, {"65536", refused}, {"ssh", refused}});
}

TEST(Values, PeerNamesCanBeNamesOfDirectories) {
  for (const std::string name : {"web1", "a", "0", "A.b_c-d", "x.cback.y", "cback"}) {
    EXPECT_TRUE(parsed(as_peer_name, name)) << name;
  }
  EXPECT_TRUE(parsed(as_peer_name, std::string(255, 'a')));
  EXPECT_FALSE(parsed(as_peer_name, std::string(256, 'a')));
  for (const std::string name :
       {".", "..", ".a", "-a", "_a", "a/b", "/a", "a b", " a", "a\n", "é", "a;b", "cback.stage", "$a"}) {
    EXPECT_FALSE(parsed(as_peer_name, name)) << quoted(name);
  }
}

TEST(Values, AddressesHaveNoUserAndNoPort) {
  for (const std::string address : {"web1.example", "10.0.0.1", "::1", "fe80::1%eth0"}) {
    EXPECT_TRUE(parsed(as_address, address)) << address;
  }
  for (const std::string address : {"-oProxyCommand=x", "a@b", "a b", "a/b", "[::1]"}) {
    EXPECT_FALSE(parsed(as_address, address)) << address;
  }
}

TEST(Values, PathsOfAUserAreAbsoluteOrBelowAHome) {
  for (const std::string path : {"/a b", "~/.ssh/id", "~backup/id"})
    EXPECT_TRUE(parsed(as_user_path, path)) << path;
  for (const std::string path : {"id", "./id", " /id", "/a\nb"})
    EXPECT_FALSE(parsed(as_user_path, path)) << path;
  EXPECT_TRUE(parsed(as_config_file, "none"));
  EXPECT_FALSE(parsed(as_user_path, "none"));
}

TEST(Values, AMessageShowsAValueOnOneLineAndNotAllOfIt) {
  EXPECT_EQ(quoted("a\nb\x7f"), "\"a\\x0ab\\x7f\"");
  EXPECT_EQ(quoted(std::string(81, 'a')), "\"" + std::string(80, 'a') + "…\"");
  EXPECT_EQ(quoted("ü"), "\"ü\"");
}

}  // namespace
}  // namespace peerstage::config
