#include <gtest/gtest.h>

#include "peers/failure.h"
#include "peers/staging/entry_name.h"
#include "peers/staging/relative_path.h"

namespace peerstage::peers::staging {
namespace {

enum class Verdict { accepted, hostile, permanent };

template <typename Make>
Verdict verdict_of(Make make) {
  try {
    make();
    return Verdict::accepted;
  } catch (const PeerError& error) {
    return error.kind() == FailureKind::hostile ? Verdict::hostile : Verdict::permanent;
  }
}

struct Case {
  const char* name;
  std::string bytes;
  Verdict verdict;
};

class EntryNames : public ::testing::TestWithParam<Case> {};

TEST_P(EntryNames, are_judged) {
  const Case& c = GetParam();
  EXPECT_EQ(verdict_of([&] { EXPECT_EQ(EntryName(c.bytes).bytes(), c.bytes); }), c.verdict);
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(
    Each, EntryNames,
    ::testing::Values(
        Case{"plain", "a.tar.gz", Verdict::accepted}, Case{"hidden", ".x", Verdict::accepted},
        Case{"three_dots", "...", Verdict::accepted}, Case{"dash", "-rf", Verdict::accepted},
        Case{"blank", " ", Verdict::accepted}, Case{"backslash", "a\\b", Verdict::accepted},
        Case{"umlaut", "\xc3\xa4", Verdict::accepted}, Case{"latin1", "\xe4", Verdict::accepted},
        Case{"raw_80", "\x80", Verdict::accepted}, Case{"no_break_space", "\xc2\xa0", Verdict::accepted},
        Case{"longest", std::string(255, 'x'), Verdict::accepted},
        Case{"too_long", std::string(256, 'x'), Verdict::permanent},
        Case{"long_and_hostile", std::string(256, '/'), Verdict::hostile},
        Case{"empty", "", Verdict::hostile}, Case{"dot", ".", Verdict::hostile},
        Case{"dot_dot", "..", Verdict::hostile}, Case{"slash", "/", Verdict::hostile},
        Case{"path", "a/b", Verdict::hostile}, Case{"nul", std::string("a\0", 2), Verdict::hostile},
        Case{"newline", "\n", Verdict::hostile}, Case{"tab", "a\tb", Verdict::hostile},
        Case{"escape", "\x1b]0;x\x07", Verdict::hostile}, Case{"delete", "\x7f", Verdict::hostile},
        Case{"c1", "\xc2\x80", Verdict::hostile}, Case{"c1_end", "x\xc2\x9f", Verdict::hostile}),
    case_name);

class RelativePaths : public ::testing::TestWithParam<Case> {};

TEST_P(RelativePaths, are_judged) {
  const Case& c = GetParam();
  EXPECT_EQ(verdict_of([&] { EXPECT_EQ(RelativePath::parse(c.bytes).bytes(), c.bytes); }), c.verdict);
}

INSTANTIATE_TEST_SUITE_P(
    Each, RelativePaths,
    ::testing::Values(Case{"name", "a", Verdict::accepted}, Case{"deep", "a/b/c", Verdict::accepted},
                      Case{"absolute", "/a", Verdict::hostile},
                      Case{"trailing_slash", "a/", Verdict::hostile},
                      Case{"double_slash", "a//b", Verdict::hostile}, Case{"up", "a/../b", Verdict::hostile},
                      Case{"here", "a/./b", Verdict::hostile}, Case{"empty", "", Verdict::hostile},
                      Case{"too_long", std::string(5000, 'x'), Verdict::permanent}),
    case_name);

TEST(RelativePath, knows_its_name) {
  const RelativePath path = RelativePath(EntryName("a")).child(EntryName("b"));
  EXPECT_EQ(path.bytes(), "a/b");
  EXPECT_EQ(path.name(), "b");
}

}  // namespace
}  // namespace peerstage::peers::staging
