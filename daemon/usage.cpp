#include "daemon/usage.h"

namespace peerstage::daemon {

const char* const main_usage = R"(Usage: peerstage [switches] ACTION...
       peerstage check [-c PATH] [--json]
       peerstage trust PEER [-c PATH] [--yes]

Switches:
  -h, --help            show this and exit
  -V, --version         show the version and exit
  -D, --diagnostics     show facts about program and machine and exit
  -b, --verbose         show what happens on the screen as well as in the log
  -q, --quiet           show nothing on the screen
  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
  -f, --full            treat today as the starting day (see ignore_failures)
  -M, --managed         refused: managed actions cannot be run yet
  -N, --managed-only    refused, likewise
  -l, --logfile PATH    log (default: /var/log/peerstage.log as root, else
                        $XDG_STATE_HOME/peerstage/peerstage.log)
  -o, --owner USER:GROUP  owner of a new log (default: root:adm)
  -m, --mode OCTAL      permissions of a new log (default: 640)
  -O, --output          no effect: no commands are run
  -d, --debug           write debugging information to the log
  -s, --stack           no effect
      --json            print the result as one JSON document and nothing else
      --peer NAME       only this peer; may be repeated
      --dry-run         connect, list and compare, but change nothing anywhere
      --progress WHEN   auto, always or never (default: auto)

Actions:
  stage                 fetch what the peers collected into the staging directory

Commands:
  check                 judge the configuration
  trust                 show the host key of a peer, and accept it

Exit status: 0 staged, 2 command line, 3 log, 4 configuration, 5 interrupted, 6 not possible,
7 a peer failed, 8 a peer was not ready, 75 another run is active.
)";

const char* const check_usage = R"(Usage: peerstage check [-c PATH] [--json]

Loads and judges the configuration, and shows everything that is wrong with it.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --json            print {"valid": ..., "findings": [...]} instead

Exit status: 0 valid, 2 command line, 4 not valid.
)";

const char* const trust_usage = R"(Usage: peerstage trust PEER [-c PATH] [--yes]

Shows the host key of a remote peer, and after a question writes it to the known_hosts file.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --yes             do not ask

Exit status: 0 known or added, 2 command line, 4 configuration, 6 nothing was changed,
7 the peer could not be asked.
)";

}  // namespace peerstage::daemon
