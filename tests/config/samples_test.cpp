#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/load.h"

// Every file below samples/ comes with the findings that `check` has to make about it, one a line, nothing
// else and nothing less: NAME.conf and NAME.findings.

namespace peerstage::config {
namespace {

namespace fs = std::filesystem;

const fs::path samples = fs::path(PEERSTAGE_TEST_DATA) / "samples";

std::vector<std::string> sample_names() {
  std::vector<std::string> names;
  for (const char* kind : {"valid", "invalid"}) {
    for (const auto& entry : fs::directory_iterator(samples / kind)) {
      if (entry.path().extension() == ".conf")
        names.push_back(std::string(kind) + "/" + entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class Sample : public testing::TestWithParam<std::string> {};

TEST_P(Sample, HasExactlyItsFindings) {
  const fs::path file = samples / (GetParam() + ".conf");
  std::vector<std::string> found;
  for (Finding finding : check(file.string(), StartedAs::user)) {
    EXPECT_EQ(finding.file, file.string());
    finding.file = file.filename().string();
    found.push_back((finding.severity == Severity::error ? "error: " : "warning: ") + finding.text());
  }
  EXPECT_EQ(found, lines_of(samples / (GetParam() + ".findings")));
}

TEST_P(Sample, IsAcceptedExactlyIfItIsCalledValid) {
  const auto findings = check((samples / (GetParam() + ".conf")).string(), StartedAs::user);
  EXPECT_EQ(has_errors(findings), GetParam().starts_with("invalid/"));
}

INSTANTIATE_TEST_SUITE_P(Samples, Sample, testing::ValuesIn(sample_names()), [](const auto& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
});

}  // namespace
}  // namespace peerstage::config
