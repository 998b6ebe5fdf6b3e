#include "daemon/usage.h"

namespace peerstage::daemon {

const char* const main_usage = R"(Usage: peerstage [switches] ACTION...
       peerstage COMMAND [--help] ...

Switches:
  -h, --help            show this and exit
  -V, --version         show the version and exit
  -D, --diagnostics     show facts about program and machine and exit
  -b, --verbose         show what happens on the screen as well as in the log
  -q, --quiet           show nothing on the screen
  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
  -f, --full            collect everything; treat today as the starting day (see ignore_failures)
  -M, --managed         do each action here, then on the managed peers that list it
  -N, --managed-only    do them on the managed peers only
  -l, --logfile PATH    log (default: /var/log/peerstage.log as root, else
                        $XDG_STATE_HOME/peerstage/peerstage.log)
  -o, --owner USER:GROUP  owner of a new log (default: root:adm)
  -m, --mode OCTAL      permissions of a new log (default: 640)
  -O, --output          write the output of hooks and extensions to the log
  -d, --debug           write debugging information to the log
  -s, --stack           no effect
      --json            print the result as one JSON document and nothing else
      --peer NAME       only this peer; may be repeated
      --dry-run         for stage and purge: find out what would be done, but change nothing anywhere
      --progress WHEN   auto, always or never (default: auto)

Actions:
  collect               archive what this machine has to back up into its collect directory
  stage                 fetch what the peers collected into the staging directory
  purge                 remove what is old enough
  all                   collect, stage and purge
  validate              judge the configuration and the machine that it is on
  and those that the configuration names under extensions. They are done in their order, whatever
  the order of the words.

Commands:
  check                 judge the configuration
  trust                 show the host key of a peer, and accept it
  daemon                run the jobs of the configuration on their schedule
  schedule              show when jobs run next
  history, files        show past runs, and the files of a peer's day
  rebuild               fill the catalog from the manifests on the disk
  verify                read staged files again and compare them with their sums
  exec                  run a command on many peers in parallel
  status                show how things stand with the daemon, its peers and jobs
  run, cancel           have the daemon run a job or peers now; end a run
  pause, resume         have the daemon begin nothing by itself; have it go on
  reload                have the daemon read its configuration again

Exit status of actions: 0 done, 2 command line, 3 log, 4 configuration or unknown action,
5 interrupted, 6 not possible, 7 a peer or an item failed, 8 a peer was not ready, 75 another run
is active. That of a command is told by its --help.
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

const char* const schedule_usage = R"(Usage: peerstage schedule [-c PATH] [--job NAME] [--count N] [--json]

Shows the next runs of the jobs in the configuration.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --job NAME        only this job; may be repeated
      --count N         so many runs of each job (default: 10)
      --json            print one JSON document instead

Exit status: 0 shown, 2 command line, 4 configuration (no daemon section, too), 6 no such job, or
no job at all.
)";

const char* const daemon_usage =
    R"(Usage: peerstage daemon [-c PATH] [-l PATH] [-o USER:GROUP] [-m OCTAL] [-d] [-b|-q]

Runs the jobs of the configuration on their schedule, in the foreground, until SIGTERM or SIGINT.
SIGHUP reads the configuration again.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
  -l, --logfile PATH    log, as for actions
  -o, --owner USER:GROUP  owner of a new log (default: root:adm)
  -m, --mode OCTAL      permissions of a new log (default: 640)
  -d, --debug           write debugging information to the log
  -b, --verbose         show what happens on the screen as well as in the log
  -q, --quiet           show nothing on the screen

Exit status: 0 ended in good order, 2 command line, 3 log, 4 configuration, 6 not possible,
75 another daemon is active.
)";

const char* const history_usage =
    R"(Usage: peerstage history [-c PATH] [--peer NAME] [--since WHEN] [--limit N] [--json]

Shows past runs, the newest first, from the catalog.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --peer NAME       only runs that had this peer, and what became of it
      --since WHEN      only runs begun then or later: a date like 2026-11-20, or a duration like 7d
      --limit N         so many at most (default: 20)
      --json            print one JSON document instead

Exit status: 0 shown, 2 command line, 4 configuration, 6 the catalog cannot be read.
)";

const char* const files_usage = R"(Usage: peerstage files PEER DATE [-c PATH] [--json]

Shows the files that stand in the day of a peer, from the catalog.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --json            print one JSON document instead

Exit status: 0 shown, 2 command line, 4 configuration, 6 nothing is known of that day, or the
catalog cannot be read.
)";

const char* const rebuild_usage = R"(Usage: peerstage rebuild [-c PATH]

Fills the catalog from the manifests in the staging directory with what it lacks. The daemon does that by
itself when it has to begin a new one. Changes nothing in the staging directory.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)

Exit status: 0 done, 2 command line, 4 configuration, 6 the catalog cannot be written, 7 at least one
day could not be read.
)";

const char* const verify_usage = R"(Usage: peerstage verify [DATE] [-c PATH] [--peer NAME] [--json]

Reads staged files again and compares them with the manifest of their day. Changes nothing. Files
that somebody added to a day are shown, but are no damage.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --peer NAME       only this peer; may be repeated
      --json            print one JSON document instead

Exit status: 0 everything is as it was staged, 2 command line, 4 configuration, 6 something that was
asked for is not there or could not be looked at, 7 at least one file is damaged, missing or
unreadable, or a day has no manifest.
)";

const char* const status_usage =
    R"(Usage: peerstage status [-c PATH] [--socket PATH] [--peer NAME] [--watch | --json | --check]

Shows how things stand with the daemon, its peers and its jobs.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --socket PATH     the daemon's control socket (default: as configured)
      --peer NAME       only this peer; may be repeated
      --watch           go on showing it until interrupted
      --json            print one JSON document instead
      --check           one line for Nagios or Icinga; exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN

Exit status: 0 shown, 2 command line, 6 the daemon does not answer, or refuses.
)";

const char* const start_usage = R"(Usage: peerstage run JOB [--follow]
       peerstage run --peer NAME [--full] [--follow]

Has the daemon run a job, or stage peers, now or as soon as the run that is going on is over.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --socket PATH     the daemon's control socket (default: as configured)
      --peer NAME       stage this peer; may be repeated
      --full            treat today as the starting day (see ignore_failures)
      --follow          show the run until it is over
      --json            print one JSON document instead

Exit status: 0 begun or queued, 2 command line, 6 refused, or the daemon does not answer. With
--follow that of the run, and 5 when the following was interrupted; the run goes on then.
)";

const char* const cancel_usage = R"(Usage: peerstage cancel [RUN] [-c PATH] [--socket PATH] [--json]

Has the daemon end a run, by default the one that is going on. What was published stays.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --socket PATH     the daemon's control socket (default: as configured)
      --json            print one JSON document instead

Exit status: 0 done, 2 command line, 6 refused, or the daemon does not answer.
)";

const char* const steer_usage = R"(Usage: peerstage pause|resume|reload [-c PATH] [--socket PATH] [--json]

pause has the daemon begin no run by itself until resume, over restarts, too; what is going on is
not touched. reload has it read its configuration again, and shows what is wrong with it.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --socket PATH     the daemon's control socket (default: as configured)
      --json            print one JSON document instead

Exit status: 0 done, 2 command line, 4 the configuration is wrong (the one in force stays), 6
refused, or the daemon does not answer.
)";

const char* const exec_usage =
    R"(Usage: peerstage exec [--peer NAME]... [--group NAME]... [-c PATH] [...] -- COMMAND...

Runs a command on the peers of the pool, in parallel, and shows what it says, line by line.

  -c, --config PATH     configuration (default: /etc/peerstage.conf, else /etc/cback3.conf)
      --peer NAME       on this peer; may be repeated (default: on every peer)
      --group NAME      on the peers of this group; may be repeated
      --user NAME       as this user; who logs in as somebody else than root needs <sudo> for that
      --timeout TIME    end it on a peer after so long, e.g. 30s or 10m
      --gather          show what a peer printed in one piece, when it has ended there
      --json            print one JSON document instead

Exit status: 0 done on every peer, 2 command line, 4 configuration, 5 interrupted, 6 not possible,
7 it failed on a peer, or a peer could not be reached.
)";

}  // namespace peerstage::daemon
