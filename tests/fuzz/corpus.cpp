#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "tests/fuzz/target.h"
#include "tests/support/text_file.h"

// corpus_test NAME DIRECTORY: gives the target each file of the directory. The name of one is printed before
// it is tried, so that the last one printed is to blame.

int main(int count, char** arguments) {
  namespace fs = std::filesystem;
  const auto* target = count == 3 ? peerstage::fuzz::Target::find(arguments[1]) : nullptr;
  if (target == nullptr) {
    std::fprintf(stderr, "usage: %s TARGET DIRECTORY\n", arguments[0]);
    return 2;
  }
  std::vector<fs::path> files{fs::directory_iterator(arguments[2]), fs::directory_iterator()};
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
    (*target)(peerstage::test::read_text(file));
  }
  (*target)({});
  return files.empty() ? 1 : 0;
}
