#include "daemon/catalog/schema.h"

namespace peerstage::daemon {
namespace {

// Times are nanoseconds since the epoch, dates YYYY-MM-DD. Texts that are raw bytes (names of files, paths)
// are stored printable(), which can be turned back and is valid UTF-8 in every database.
//
// A tree is the set of files of one peer's day. It counts when it is complete; there is at most one complete
// tree of a day, and beside it one that is being told.
const Migration version_1{
    "create table run ("
    "  number integer primary key,"
    "  id text not null unique,"
    "  action text not null,"
    "  date text not null,"
    "  daily_dir text not null,"
    "  started bigint not null,"
    "  finished bigint not null,"
    "  is_over integer not null,"
    "  is_suspended integer not null,"
    "  interrupted integer not null,"  // RunReport::interruption
    "  error_reason text,"
    "  error text,"
    "  job text not null,"
    "  origin text not null,"
    "  slot bigint,"
    "  is_full integer not null)",
    "create index run_by_start on run (started)",

    "create table run_selection ("
    "  run integer not null references run (number) on delete cascade,"
    "  place integer not null,"
    "  peer text not null,"
    "  primary key (run, place))",

    "create table run_interruption ("
    "  run integer not null references run (number) on delete cascade,"
    "  place integer not null,"
    "  noticed bigint not null,"
    "  cause text not null,"
    "  primary key (run, place))",

    "create table run_peer ("
    "  run integer not null references run (number) on delete cascade,"
    "  name text not null,"
    "  place integer not null,"
    "  started bigint not null,"  // of the run, for the index
    "  progress text not null,"   // waiting, begun, done
    "  type text not null,"
    "  status text not null,"
    "  files bigint not null,"
    "  bytes bigint not null,"
    "  reused_files bigint not null,"
    "  attempts integer not null,"
    "  milliseconds bigint not null,"
    "  skipped_unlisted bigint not null,"
    "  failure_kind text,"
    "  failure text,"
    "  primary key (run, name))",
    "create index run_peer_by_name on run_peer (name, started)",

    "create table skipped_entry ("
    "  run integer not null,"
    "  peer text not null,"
    "  place integer not null,"
    "  name text not null,"
    "  reason text not null,"
    "  primary key (run, peer, place),"
    "  foreign key (run, peer) references run_peer (run, name) on delete cascade)",

    "create table tree ("
    "  number integer primary key,"
    "  peer text not null,"
    "  date text not null,"
    "  run integer references run (number) on delete set null,"
    "  is_complete integer not null)",
    "create index tree_by_peer on tree (peer, date)",
    "create index tree_by_run on tree (run, peer)",

    "create table file ("
    "  tree integer not null references tree (number) on delete cascade,"
    "  name text not null,"
    "  size bigint not null,"
    "  sha256 text not null,"
    "  source_mtime bigint not null,"
    "  primary key (tree, name))"
    // SQLite's: the rows live in the index of the key, which halves their size. PostgreSQL does without.
    " without rowid",

    "create table job_slot (job text primary key, slot bigint not null)",
    "create table setting (name text primary key, value text not null)",
};

// Actions of peers, and of the machine itself (those of no peer).
const Migration version_2{
    "create table run_action ("
    "  run integer not null references run (number) on delete cascade,"
    "  peer text not null,"
    "  action text not null,"
    "  place integer not null,"
    "  status text not null,"
    "  is_begun integer not null,"
    "  exit_status integer,"
    "  signal text not null,"
    "  milliseconds bigint not null,"
    "  failure_kind text,"
    "  failure text,"
    "  primary key (run, peer, action))",
};

// Where it was not fetched on the day of its tree, but taken from an earlier one; else empty.
const Migration version_3{"alter table file add column fetched_on text not null default ''"};

}  // namespace

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> all{version_1, version_2, version_3};
  return all;
}

}  // namespace peerstage::daemon
