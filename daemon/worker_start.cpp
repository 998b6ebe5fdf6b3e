#include "daemon/worker_start.h"

#include <csignal>
#include <initializer_list>

namespace peerstage::daemon {

void use_default_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace peerstage::daemon
