#include <string>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "staging_fixture.h"

namespace peerstage::peers::staging {
namespace {

using ::testing::HasSubstr;

/// As few descriptors as a process can live with: however many files there are, few are open at a time.
class FewDescriptors : public StagingFixture {
 protected:
  static constexpr int many = 3000;

  FewDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = 100;
    ::setrlimit(RLIMIT_NOFILE, &few);
    peer.add_file("/collect/cback.collect", "");
    for (int number = 0; number < many; ++number) peer.add_file(path(number), std::to_string(number));
  }
  ~FewDescriptors() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

  static std::string path(int number) { return "/collect/" + std::to_string(number); }

 private:
  rlimit before_{};
};

TEST_F(FewDescriptors, are_enough_to_go_on_with_what_an_earlier_run_fetched) {
  peer.add_file("/collect/cback.sha256", std::string(64, '0') + "  0\n");
  EXPECT_THAT(failure().message, HasSubstr("is not what the peer's cback.sha256 says"));
  peer.entries.erase("/collect/cback.sha256");
  peer.forget_what_happened();
  const StagedTree result = stage();
  EXPECT_GE(result.reused_files, static_cast<std::uint64_t>(many));
  EXPECT_LE(peer.fetched.size(), 1U);  // the one whose sum was wrong
}

TEST_F(FewDescriptors, are_enough_where_many_files_cannot_be_read) {
  for (int number = 0; number < many; number += 2)
    peer.unreadable[path(number)] = {FailureKind::permanent, "permission denied"};
  EXPECT_EQ(failure().message,
            "permission denied (and " + std::to_string(many / 2 - 1) + " more files failed)");
}

}  // namespace
}  // namespace peerstage::peers::staging
