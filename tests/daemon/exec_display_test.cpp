#include "daemon/exec_display.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

ExecReport report_of_one() {
  ExecReport report;
  report.peers.emplace_back().name = "web1";
  report.peers.back().status = ExecPeerReport::Status::ok;
  return report;
}

/// What is shown of a peer that says this.
std::string gathered(const std::string& said) {
  const ExecReport report = report_of_one();
  ExecDisplay display(ExecStyle::gathered);
  testing::internal::CaptureStdout();
  display.begun(report);
  display.output(0, {peers::CommandStream::output, said});
  display.finished(0, report.peers[0]);
  return testing::internal::GetCapturedStdout();
}

TEST(ExecDisplay, GathersWhatAPeerSaidBelowItsName) {
  EXPECT_EQ(gathered("one\ntwo"), "=== web1: ok (0.0 s)\none\ntwo\n");
}

TEST(ExecDisplay, AMegabyteOfEmptyLinesIsNotFortyMegabytesOfMemory) {
  const std::string shown = gathered(std::string(1'000'000, '\n'));
  EXPECT_LT(std::ranges::count(shown, '\n'), 30'000);
  EXPECT_NE(shown.find(" bytes more are left out\n"), std::string::npos);
}

TEST(ExecDisplay, WhatIsEscapedCountsAsLongAsItIsShown) {
  EXPECT_LT(gathered(std::string(1'000, '\a') + "\n" + std::string(900'000, '\a')).size(), 1'100'000U);
}

}  // namespace
}  // namespace peerstage::daemon
