#include "peers/failure.h"
#include "peers/staging/manifest.h"
#include "peers/staging/relative_path.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

namespace peerstage::fuzz {
namespace {

using namespace peers::staging;

void check_sums(std::string_view text) {
  auto sums = parse_sums(text, "cback.sha256");
  std::string written;
  for (NamedSum& sum : sums) {
    written += manifest_line(sum.name, sum.sum);
    if (sum.name == "-") sum.name = "./-";  // as it is written
  }
  expect(parse_sums(written, "what was written") == sums, "sums that are written read as they were");
}

void check_manifest(std::string_view text) {
  const Manifest manifest = parse_manifest(text, "cback.sha256");
  std::string written;
  for (const auto& [name, sum] : manifest) {
    expect(RelativePath::parse(name).bytes() == name, "a name in a manifest is a path below its directory");
    written += manifest_line(name, sum);
  }
  expect(parse_manifest(written, "what was written") == manifest,
         "a manifest that is written reads as it was");
}

void run(std::string_view input) {
  for (const auto check : {check_sums, check_manifest}) try {
      check(input);
    } catch (const peers::PeerError& error) {
      expect(is_safe_line(error.what()), "the sentence about a manifest can be printed");
    }
}

const Target target("manifest", run);

}  // namespace
}  // namespace peerstage::fuzz
