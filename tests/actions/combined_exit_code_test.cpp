#include "daemon/actions/combined_exit_code.h"

#include <vector>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

TEST(CombinedExitCode, is_the_worst) {
  const std::vector<std::vector<ExitCode>> from_best_to_worst{
      {ExitCode::ok},
      {ExitCode::not_ready},
      {ExitCode::peer_failed},
      {ExitCode::error, ExitCode::locked, ExitCode::configuration},
      {ExitCode::interrupted}};
  for (std::size_t better = 0; better < from_best_to_worst.size(); ++better) {
    for (std::size_t worst = better + 1; worst < from_best_to_worst.size(); ++worst) {
      for (const ExitCode one : from_best_to_worst[better]) {
        for (const ExitCode other : from_best_to_worst[worst]) {
          EXPECT_EQ(worse(one, other), other);
          EXPECT_EQ(worse(other, one), other);
        }
      }
    }
  }
}

TEST(CombinedExitCode, only_peers_and_items_let_others_go_on) {
  for (const ExitCode code : {ExitCode::ok, ExitCode::not_ready, ExitCode::peer_failed})
    EXPECT_TRUE(lets_others_go_on(code)) << static_cast<int>(code);
  for (const ExitCode code : {ExitCode::command_line, ExitCode::log, ExitCode::configuration,
                              ExitCode::interrupted, ExitCode::error, ExitCode::locked})
    EXPECT_FALSE(lets_others_go_on(code)) << static_cast<int>(code);
}

}  // namespace
}  // namespace peerstage::daemon
