#pragma once

#include <string>

#include <gtest/gtest.h>

#include "daemon/actions/action_result.h"
#include "tests/daemon/watched_screen.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/text_file.h"

namespace peerstage::daemon {

/// A run that an action believes to be in, with a log that can be looked at.
class RunInTest : public testing::Test {
 protected:
  const ActionContext& context() const { return context_; }
  std::string log_text() const { return test::read_text(temporary / "log"); }

  test::TemporaryDirectory temporary;
  config::Config config;
  RunCommand command;

 private:
  LogFile log_file() const {
    LogFile file;
    file.path = temporary / "log";
    return file;
  }

  WatchedScreen screen_{WatchedDescriptor::Kind::pipe};
  Log log_{log_file(), screen_.screen(), std::nullopt};
  ActionContext context_{config, command, log_, screen_.screen()};
};

}  // namespace peerstage::daemon
