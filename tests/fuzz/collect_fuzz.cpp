#include <string>

#include "peers/collect/cedar_digest.h"
#include "peers/collect/collect_state.h"
#include "peers/collect/digest.h"
#include "peers/failure.h"
#include "peers/staging/hash.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"
#include "tests/support/temporary_directory.h"

// What a collect remembers: a byte for which file, and its text, which is sealed here where it has to be.

namespace peerstage::fuzz {
namespace {

using namespace peers::collect;
using peers::staging::Directory;

void check_cedar(std::string_view text) {
  const auto why = read_cedar_digest(text, [](const std::string& path, const ContentSum&) {
    expect(path.starts_with('/') && path.find('\0') == std::string::npos,
           "a path is absolute, and one that may be");
  });
  expect(!why || (!why->empty() && is_safe_line(*why)), "what is no digest is said to be none");
}

std::string sealed(std::string text) {
  peers::staging::Sha256 sum;
  sum.add(text);
  return text + "sha256 " + sum.finish().hex() + "\n";
}

struct WorkingDirectory {
  test::TemporaryDirectory files;
  Directory directory = Directory::open(files.path().string());
};

void check_digest(const WorkingDirectory& working) {
  const auto digest = read_digest(working.directory, "a");
  expect(digest.has_value(), "a digest that is there is read or refused");
  expect(collect_of_digest(working.directory, "a").find('\n') == std::string::npos,
         "the name of a collect is on one line");
}

bool is_same(const CollectState& one, const CollectState& other) {
  const auto published = [](const CollectState& state) {
    return state.published ? state.published->id + " " + std::to_string(state.published->modified) + " " +
                                 std::to_string(state.published->inode) + " " +
                                 std::to_string(state.published->staged.value_or(-1))
                           : std::string();
  };
  const auto waiting = [](const CollectState& state) {
    return state.waiting ? state.waiting->id + " " + std::to_string(state.waiting->staged) : std::string();
  };
  return one.collect_dir == other.collect_dir && one.base == other.base &&
         one.trusts_cedar == other.trusts_cedar && published(one) == published(other) &&
         waiting(one) == waiting(other) && one.archives == other.archives;
}

void check_state(const WorkingDirectory& working) {
  const auto state = read_collect_state(working.directory);
  expect(state.has_value(), "a state that is there is read or refused");
  write_collect_state(working.directory, std::nullopt, *state);
  expect(is_same(*read_collect_state(working.directory), *state), "a state that is written reads as it was");
}

void run(std::string_view input) {
  static const WorkingDirectory working;
  Choices choices(input);
  const std::size_t kind = choices.below(5);
  const std::string text(choices.rest());
  if (kind == 0) return check_cedar(text);
  const bool is_state = kind < 3;
  const bool is_whole = kind % 2 == 1;
  const std::string heading = is_state ? "peerstage collect 1\n" : "peerstage digest 1\n";
  working.files.write(is_state ? "peerstage.collect" : "a", is_whole ? sealed(heading + text) : text);
  try {
    is_state ? check_state(working) : check_digest(working);
  } catch (const peers::PeerError& error) {
    expect(error.kind() == peers::FailureKind::permanent && is_safe_line(error.what()),
           "what is not whole is refused with a sentence");
  }
}

const Target target("collect", run);

}  // namespace
}  // namespace peerstage::fuzz
