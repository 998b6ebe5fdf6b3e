#pragma once

namespace peerstage::daemon {

/// How the program ends. 2 to 6 are those of Cedar Backup, 75 is EX_TEMPFAIL of sysexits(3). `status --check`
/// alone ends with the numbers of CheckStatus (daemon/service/check_plugin.h) instead.
enum class ExitCode : int {
  ok = 0,             ///< every action did all that it had to
  command_line = 2,   ///< the command line is wrong
  log = 3,            ///< the log could not be opened
  configuration = 4,  ///< the configuration is wrong, or does not know the action
  interrupted = 5,    ///< SIGINT or SIGTERM; what was published is complete
  error = 6,          ///< the action could not be done at all
  peer_failed = 7,    ///< something failed and the rest is done: a peer, an item to collect, a removal
  not_ready = 8,      ///< no peer failed, but one that is needed today was not ready
  locked = 75,        ///< another run holds the staging directory, or another collect the collect directory
};

}  // namespace peerstage::daemon
