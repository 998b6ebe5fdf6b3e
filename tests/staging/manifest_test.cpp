#include "peers/staging/manifest.h"

#include <cstdio>
#include <cstdlib>

#include <gmock/gmock.h>

#include "peers/failure.h"
#include "peers/staging/source_tag.h"
#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

using ::testing::HasSubstr;

const std::string zeros(64, '0');
const std::string ones(64, '1');

Digest digest(const std::string& hex) {
  return Digest::from_hex(hex).value();
}

TEST(Digest, of_known_text_is_the_known_sum) {
  Sha256 hash;
  hash.add("a");
  hash.add("bc");
  EXPECT_EQ(hash.finish().hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, from_hex_takes_64_digits_and_nothing_else) {
  EXPECT_EQ(digest(std::string(64, 'A')).hex(), std::string(64, 'a'));
  EXPECT_FALSE(Digest::from_hex(std::string(63, 'a')));
  EXPECT_FALSE(Digest::from_hex(std::string(65, 'a')));
  EXPECT_FALSE(Digest::from_hex(std::string(63, 'a') + "g"));
  EXPECT_FALSE(Digest::from_hex(""));
}

struct Line {
  const char* name;
  std::string file, line;
};

class ManifestLines : public ::testing::TestWithParam<Line> {};

TEST_P(ManifestLines, are_written_and_read_back) {
  const Line& c = GetParam();
  EXPECT_EQ(manifest_line(c.file, digest(zeros)), c.line);
  EXPECT_EQ(parse_sums(c.line, "it"), (std::vector<NamedSum>{{c.file, digest(zeros)}}));
}

const auto case_name = [](const auto& each) { return std::string(each.param.name); };

INSTANTIATE_TEST_SUITE_P(Each, ManifestLines,
                         ::testing::Values(Line{"plain", "a b", zeros + "  a b\n"},
                                           Line{"path", "a/b", zeros + "  a/b\n"},
                                           Line{"leading_blank", " a", zeros + "   a\n"},
                                           Line{"asterisk", "*a", zeros + "  *a\n"},
                                           Line{"not_utf8", "\xff", zeros + "  \xff\n"},
                                           Line{"backslash", "a\\nb", "\\" + zeros + "  a\\\\nb\n"},
                                           Line{"newline", "a\nb", "\\" + zeros + "  a\\nb\n"},
                                           Line{"carriage_return", "a\rb", "\\" + zeros + "  a\\rb\n"}),
                         case_name);

TEST(Manifest, names_a_file_called_dash_so_that_sha256sum_does_not_wait_for_its_input) {
  const std::string line = manifest_line("-", digest(zeros));
  EXPECT_EQ(line, zeros + "  ./-\n");
  EXPECT_EQ(parse_manifest(line, "it"), (Manifest{{"-", digest(zeros)}}));
  EXPECT_EQ(manifest_line("a/-", digest(zeros)), zeros + "  a/-\n");
}

TEST(Manifest, is_what_sha256sum_writes) {
  const test::TemporaryDirectory directory;
  std::string expected;
  for (const char* name : {"plain", "with blank", "back\\slash", "new\nline", "ret\rurn", "\xfe\xff"}) {
    write_file(directory / name, name);
    const std::string command = "cd '" + (directory / "") +
                                "' && sha256sum -- \"$NAME\" > ../sums.$$ && cat ../sums.$$ && rm ../sums.$$";
    ::setenv("NAME", name, 1);
    FILE* const pipe = ::popen(command.c_str(), "r");
    std::string line(1000, '\0');
    line.resize(std::fread(line.data(), 1, line.size(), pipe));
    ::pclose(pipe);
    Sha256 hash;
    hash.add(name);
    EXPECT_EQ(manifest_line(name, hash.finish()), line);
  }
}

TEST(Manifest, reads_binary_marks_dot_slash_and_a_last_line_without_newline) {
  const Manifest manifest = parse_manifest(zeros + " *a\n" + ones + "  ./b/c", "it");
  EXPECT_EQ(manifest, (Manifest{{"a", digest(zeros)}, {"b/c", digest(ones)}}));
}

struct Bad {
  const char* name;
  std::string text;
  const char* where;
  FailureKind kind = FailureKind::permanent;
};

class BadManifests : public ::testing::TestWithParam<Bad> {};

TEST_P(BadManifests, are_refused_with_the_line) {
  try {
    parse_manifest(GetParam().text, "the manifest");
    FAIL() << "accepted";
  } catch (const PeerError& error) {
    EXPECT_EQ(error.kind(), GetParam().kind);
    EXPECT_THAT(error.what(), HasSubstr(GetParam().where));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadManifests,
    ::testing::Values(Bad{"words", zeros + "  a\nhello\n", "the manifest, line 2"},
                      Bad{"empty_line", "\n", "line 1"},
                      Bad{"short_sum", std::string(63, '0') + "  a\n", "line 1"},
                      Bad{"one_blank", zeros + " a\n", "line 1"}, Bad{"no_name", zeros + "  \n", "line 1"},
                      Bad{"open_escape", "\\" + zeros + "  a\\\n", "line 1"},
                      Bad{"unknown_escape", "\\" + zeros + "  a\\x\n", "line 1"},
                      Bad{"nul", zeros + "  a" + std::string(1, '\0') + "\n", "line 1"},
                      Bad{"two_sums", zeros + "  a\n" + ones + "  ./a\n", "line 2"},
                      Bad{"up", zeros + "  ../a\n", "line 1", FailureKind::hostile},
                      Bad{"absolute", zeros + "  /a\n", "line 1", FailureKind::hostile},
                      Bad{"escaped_newline", "\\" + zeros + "  a\\nb\n", "line 1", FailureKind::hostile}),
    case_name);

TEST(SourceTag, comes_back_from_its_bytes_and_from_nothing_else) {
  const SourceTag tag{0x0123456789abcdef, std::chrono::nanoseconds(-5), digest(ones)};
  const auto bytes = tag.encode();
  EXPECT_EQ(SourceTag::decode(bytes), tag);
  EXPECT_EQ(bytes[1], 0xef);  // little-endian, whatever the machine is
  EXPECT_FALSE(SourceTag::decode(std::span(bytes).first(bytes.size() - 1)));
  EXPECT_FALSE(SourceTag::decode({}));
  auto other_version = bytes;
  other_version[0] = 2;
  EXPECT_FALSE(SourceTag::decode(other_version));
}

TEST(SourceTag, says_which_earlier_day_a_file_is_from_and_fits_into_an_inode) {
  SourceTag tag{5, std::chrono::nanoseconds(7), digest(ones)};
  const std::size_t without_a_day = tag.encode().size();
  for (const std::chrono::sys_days day :
       {std::chrono::sys_days(), std::chrono::sys_days(std::chrono::days(20'000)),
        std::chrono::sys_days(std::chrono::days(65'535))}) {
    tag.fetched_on = std::chrono::year_month_day(day);
    const auto bytes = tag.encode();
    EXPECT_EQ(SourceTag::decode(bytes), tag);
    EXPECT_LE(bytes.size(), 52U);
    EXPECT_FALSE(SourceTag::decode(std::span(bytes).first(without_a_day)));
  }
}

}  // namespace
}  // namespace peerstage::peers::staging
