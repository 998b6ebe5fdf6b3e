#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <variant>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "daemon/catalog/files_command.h"
#include "daemon/catalog/history_command.h"
#include "daemon/catalog/rebuild_command.h"
#include "daemon/check.h"
#include "daemon/command_line.h"
#include "daemon/control/cancel_command.h"
#include "daemon/control/start_command.h"
#include "daemon/control/status_command.h"
#include "daemon/control/steer_command.h"
#include "daemon/exec_command.h"
#include "daemon/run_command.h"
#include "daemon/schedule/schedule_command.h"
#include "daemon/service/daemon_command.h"
#include "daemon/trust.h"
#include "daemon/verify_command.h"

namespace {

using namespace peerstage::daemon;

/// A file that we open must never become somebody's standard output.
void open_missing_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) < 0) ::open("/dev/null", O_RDWR);
  }
}

ExitCode execute(const EarlyExit& early) {
  (early.stream == OutputStream::standard_output ? std::cout : std::cerr) << early.text << std::flush;
  return early.code;
}
ExitCode execute(const RunCommand& command) {
  return run_actions(command);
}
ExitCode execute(const CheckCommand& command) {
  return check_configuration(command);
}
ExitCode execute(const TrustCommand& command) {
  return trust_peer(command);
}
ExitCode execute(const VerifyCommand& command) {
  return verify_staged(command);
}
ExitCode execute(const DaemonCommand& command) {
  return run_daemon(command);
}
ExitCode execute(const RebuildCommand& command) {
  return rebuild(command);
}
ExitCode execute(const HistoryCommand& command) {
  return show_history(command);
}
ExitCode execute(const FilesCommand& command) {
  return show_files(command);
}
ExitCode execute(const StatusCommand& command) {
  return show_status(command);
}
ExitCode execute(const StartCommand& command) {
  return start_run(command);
}
ExitCode execute(const CancelCommand& command) {
  return cancel_run(command);
}
ExitCode execute(const SteerCommand& command) {
  return steer_daemon(command);
}
ExitCode execute(const ExecCommand& command) {
  return exec_command(command);
}
ExitCode execute(const ScheduleCommand& command) {
  return show_schedule(command);
}

}  // namespace

int main(int argc, char** argv) {
  open_missing_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const auto command = parse_command_line(std::vector<std::string>(argv + 1, argv + argc));
    return static_cast<int>(std::visit([](const auto& chosen) { return execute(chosen); }, command));
  } catch (const std::exception& error) {
    std::cerr << "peerstage: " << error.what() << '\n';
    return static_cast<int>(ExitCode::error);
  }
}
