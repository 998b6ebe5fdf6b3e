#include <gtest/gtest.h>

#include "daemon/control/query.h"
#include "daemon/control/request_body.h"
#include "daemon/control/request_target.h"

namespace peerstage::daemon {
namespace {

using Path = std::vector<std::string>;
using Parts = std::vector<std::pair<std::string, std::string>>;

void expect_target(const std::string& text, const Path& path, const Parts& query) {
  const auto target = parse_request_target(text);
  ASSERT_TRUE(target) << text;
  EXPECT_EQ(target->path, path) << text;
  EXPECT_EQ(target->query, query) << text;
}

TEST(RequestTarget, IsTakenApartAndDecoded) {
  expect_target("/", {}, {});
  expect_target("/metrics", {"metrics"}, {});
  expect_target("/v1/runs/a%2Fb", {"v1", "runs", "a/b"}, {});
  expect_target("/v1/runs?peer=web1&limit=5", {"v1", "runs"}, {{"peer", "web1"}, {"limit", "5"}});
  expect_target("/v1?peer=a%26b%3Dc&peer=a+b&flag", {"v1"},
                {{"peer", "a&b=c"}, {"peer", "a+b"}, {"flag", ""}});
  expect_target("/v1/../etc", {"v1", "..", "etc"}, {});
  expect_target("/x?", {"x"}, {});
}

TEST(RequestTarget, IsNoneWhenItCannotBeOne) {
  for (const char* text : {"", "v1", "*", "http://host/v1", "//", "/v1/", "/v1//runs", "/%", "/%4", "/%zz",
                           "/%00", "/a%0ab", "/a%7f", "/x?=1", "/x?a=%1", "/x?&"})
    EXPECT_FALSE(parse_request_target(text)) << text;
}

TEST(PercentEncoding, CanBeTurnedBack) {
  std::string everything;
  for (int c = 0x20; c < 0x100; ++c)
    if (c != 0x7f) everything += static_cast<char>(c);
  expect_target("/x/" + percent_encoded(everything), {"x", everything}, {});
  EXPECT_EQ(percent_encoded("web-1.example_a~/b c"), "web-1.example_a~%2Fb%20c");
}

TEST(Query, GivesEachPartOnceAndKnowsWhatIsLeft) {
  Query query({{"peer", "a"}, {"limit", "3"}, {"peer", "b"}, {"strange\n", "x"}});
  EXPECT_EQ(query.one("since"), std::nullopt);
  EXPECT_EQ(query.one("limit"), "3");
  EXPECT_EQ(query.all("peer"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(query.all("peer"), (std::vector<std::string>{}));
  try {
    query.expect_nothing_else();
    FAIL();
  } catch (const BadQuery& bad) {
    EXPECT_STREQ(bad.what(), "nobody knows 'strange\\x0a' in this query");
  }
  EXPECT_EQ(query.one("strange\n"), "x");
  query.expect_nothing_else();
  EXPECT_THROW(Query({{"limit", "1"}, {"limit", "1"}}).one("limit"), BadQuery);
}

TEST(RunRequest, IsAJobOrPeers) {
  EXPECT_EQ(parse_wanted_run(R"({"job": "nightly"})"), (RunRequest{"nightly", {}, false}));
  EXPECT_EQ(parse_wanted_run(R"({"peers": ["a", "b"]})"), (RunRequest{"", {"a", "b"}, false}));
  EXPECT_EQ(parse_wanted_run(R"( {"full":true,"peers":["../x"]} )"), (RunRequest{"", {"../x"}, true}));
}

struct BodyCase {
  std::string body;
  BadBody::Kind kind;
  std::string message;
};

TEST(RunRequest, IsRefusedWithASentence) {
  constexpr auto not_json = BadBody::Kind::not_json, not_meant = BadBody::Kind::not_meant;
  const std::vector<BodyCase> cases{
      {"", not_json,
       "the body is no JSON: parse error at line 1, column 1: syntax error while parsing value - unexpected "
       "end "
       "of input; expected '[', '{', or a literal"},
      {"[[[1]]]", not_json, "the body is nested deeper than anything that is meant here"},
      {R"({"job": {"a": {}}})", not_json, "the body is nested deeper than anything that is meant here"},
      {R"({"job": "a", "job": "b"})", not_meant, "the body has a member twice: job"},
      {"17", not_meant, "the body is no JSON object"},
      {"[]", not_meant, "the body is no JSON object"},
      {"{}", not_meant, "the body has to have either 'job' or 'peers'"},
      {R"({"job": "a", "peers": ["b"]})", not_meant, "the body has to have either 'job' or 'peers'"},
      {R"({"job": "a", "b\u001b[2Jc": 1})", not_meant, "the body has a member that nobody knows: b\\x1b[2Jc"},
      {R"({"job": ["a"]})", not_meant, "'job' has to be text"},
      {R"({"job": ""})", not_meant, "'job' holds a name that is empty or longer than 255 bytes"},
      {R"({"peers": "a"})", not_meant, "'peers' has to be a list of at least one name"},
      {R"({"peers": []})", not_meant, "'peers' has to be a list of at least one name"},
      {R"({"peers": ["a", 1]})", not_meant, "'peers' has to be text"},
      {R"({"peers": [")" + std::string(256, 'a') + R"("]})", not_meant,
       "'peers' holds a name that is empty or longer than 255 bytes"},
      {R"({"job": "a", "full": true})", not_meant,
       "'full' is for peers; a job says itself whether it is full"},
      {R"({"peers": ["a"], "full": 1})", not_meant, "'full' has to be true or false"},
  };
  for (const auto& each : cases) {
    try {
      parse_wanted_run(each.body);
      ADD_FAILURE() << each.body;
    } catch (const BadBody& bad) {
      EXPECT_EQ(bad.kind(), each.kind) << each.body;
      EXPECT_EQ(bad.what(), each.message) << each.body;
    }
  }
}

TEST(RunRequest, IsRefusedWhateverTheBytesAre) {
  const std::string nul("{\"job\0\": 1}", 11), bytes("\xff\xfe{\"job\":\"\xc3\"}");
  const std::string bomb(60'000, '['), objects = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += R"({"a":)";
    return text;
  }();
  for (const auto& body : {nul, bytes, bomb, objects, std::string("{\"job\":\"a\"}x"), std::string("nan")})
    EXPECT_THROW(parse_wanted_run(body), BadBody) << body.substr(0, 20);
}

TEST(NoWishes, AreNothingOrAnEmptyObject) {
  expect_no_wishes("");
  expect_no_wishes("{}");
  EXPECT_THROW(expect_no_wishes("null"), BadBody);
  EXPECT_THROW(expect_no_wishes(R"({"run": "x"})"), BadBody);
}

}  // namespace
}  // namespace peerstage::daemon
