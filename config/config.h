#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/schedule.h"
#include "config/units.h"

/// A whole configuration as plain values: the sections of Cedar Backup under its names, and `<peerstage>`. An
/// absent optional is an element that is absent or empty; nothing is inherited or defaulted here unless it
/// says so. Made by `load`, so every rule that load.h names holds.
namespace peerstage::config {

enum class Day { monday, tuesday, wednesday, thursday, friday, saturday, sunday };
enum class IgnoreFailures { none, all, daily, weekly };
enum class CollectMode { daily, weekly, incremental };
enum class ArchiveMode { tar, targz, tarbz2, tarzst /* in <peerstage> only */ };

enum class Verify { none, manifest, checksum };
enum class Subdirectories { recurse, skip, fail };
enum class SpecialFiles { skip, fail };
enum class DailyIndicator { complete, any, always };
enum class HostKeyPolicy { strict, accept_new };
enum class Sudo { never, passwordless };

/// What an archive holds beside the names and contents of files and links: all that belongs to them, or what
/// Cedar Backup's archives hold, no directories and no extended attributes.
enum class ArchiveContent { whole, cedar };
/// Whether a collect directory counts as ready when an item could not be collected.
enum class IncompleteCollect { withhold, mark };
/// What purge does with what no master has staged yet.
enum class UnstagedData { keep, remove };

/// How much of the staging file system has to stay free, in blocks and in inodes: a percentage or a size (a
/// size says nothing about inodes).
using MinimumFree = std::variant<double /* percent, 0 to 100 */, ByteCount>;

/// A command as it was written, with its place: whether it can be honoured is judged later, where it is used.
struct CommandLine {
  std::string text;
  int line = 0;
  std::string element;  ///< as in Finding
};

struct Reference {
  std::optional<std::string> author, revision, description, generator;
};

enum class OrderMode { index, dependency };

struct ExtensionAction {
  struct Dependencies {
    std::vector<std::string> run_before, run_after;
  };
  std::string name;
  std::string module;
  std::string function;
  std::optional<std::string> command;  ///< of our own: the absolute path of a program that is run instead
  std::optional<std::int64_t> index;
  std::optional<Dependencies> depends;
};

struct Extensions {
  OrderMode order_mode = OrderMode::index;
  std::vector<ExtensionAction> actions;
};

struct Override {
  std::optional<std::string> command, abs_path;
};

struct Hook {
  std::optional<std::string> action, command;
};

struct Options {
  Day starting_day = Day::monday;
  std::string working_dir;
  std::string backup_user;
  std::string backup_group;
  CommandLine rcp_command;
  std::optional<CommandLine> rsh_command;
  std::optional<std::string> cback_command;
  std::optional<std::vector<std::string>> managed_actions;
  std::vector<Override> overrides;
  std::vector<Hook> pre_action_hooks, post_action_hooks;
};

/// What `<peerstage><staging>` may say for all peers and a `<peer>` for itself. Zero durations and rates mean
/// "none".
struct StagingValues {
  std::optional<unsigned> connections_per_peer;
  std::optional<std::chrono::milliseconds> wait_for_collect, poll_interval;
  std::optional<unsigned> retries;
  std::optional<std::chrono::milliseconds> retry_delay;
  std::optional<ByteCount> bandwidth_limit;  ///< bytes a second
  std::optional<bool> reuse_unchanged;
  std::optional<Verify> verify;
  std::optional<Subdirectories> subdirectories;
  std::optional<SpecialFiles> special_files;
  std::optional<FileMode> permissions;
  std::optional<MinimumFree> minimum_free;
  std::optional<std::chrono::milliseconds> deadline;
};

enum class PeerType { local, remote };

struct ConfiguredPeer {
  int line = 0;
  std::string element;  ///< as in Finding
  PeerType type = PeerType::local;
  std::string name;
  std::string collect_dir;
  IgnoreFailures ignore_failures = IgnoreFailures::none;
  std::optional<std::string> group;  ///< of peers that share a limit
  StagingValues staging;

  // Of remote peers only:
  std::optional<std::string> backup_user;
  std::optional<CommandLine> rcp_command, rsh_command;
  std::optional<std::string> cback_command;
  bool managed = false;
  std::optional<std::vector<std::string>> managed_actions;
  std::optional<std::string> address;
  std::optional<Port> port;
  std::optional<std::string> identity_file, known_hosts;  ///< absolute, or below `~`
  std::optional<Sudo> sudo;
};

struct Exclusions {
  std::vector<std::string> abs_paths, rel_paths, patterns;  ///< a pattern is a Python regular expression
};

struct CollectFile {
  std::string abs_path;
  std::optional<CollectMode> collect_mode;
  std::optional<ArchiveMode> archive_mode;
};

struct CollectDirectory {
  std::string abs_path;
  std::optional<CollectMode> collect_mode;
  std::optional<ArchiveMode> archive_mode;
  std::optional<std::string> ignore_file;
  std::int64_t link_depth = 0;
  bool dereference = false;
  std::int64_t recursion_level = 0;
  Exclusions exclude;  ///< in addition to those of the section
};

struct Collect {
  std::string collect_dir;
  std::optional<CollectMode> collect_mode;
  std::optional<ArchiveMode> archive_mode;
  std::optional<std::string> ignore_file;
  Exclusions exclude;  ///< without rel_paths
  std::vector<CollectFile> files;
  std::vector<CollectDirectory> directories;
};

struct Stage {
  int line = 0;
  std::string staging_dir;
  std::vector<ConfiguredPeer> peers;  ///< not empty: these alone are staged, the peers section is not
};

/// Checked and kept for the sake of one file for both programs; nothing here writes media.
struct Store {
  std::string source_dir;
  std::string media_type;
  std::string device_type = "cdwriter";
  std::string target_device;
  std::optional<std::string> target_scsi_id;
  std::optional<std::int64_t> drive_speed;
  bool check_data = false;
  bool check_media = false;
  bool warn_midnite = false;
  bool no_eject = false;
  std::optional<std::int64_t> refresh_media_delay, eject_delay;  ///< seconds
  std::optional<std::string> blank_mode;
  std::optional<std::string> blank_factor;
};

struct PurgeDirectory {
  std::string abs_path;
  std::int64_t retain_days = 0;
};

struct Purge {
  std::vector<PurgeDirectory> directories;
};

/// Something that the daemon does again and again.
struct Job {
  int line = 0;
  std::string element;  ///< as in Finding
  std::string name;
  CrontabRule schedule;
  std::vector<std::string> actions;  ///< at least one, in Cedar Backup's order
  bool full = false;
  bool managed = false;
  std::chrono::milliseconds random_delay{0};  ///< a slot begins up to so much later
  bool catch_up = true;                       ///< one run for any number of slots that were missed
  std::vector<TimeWindow> not_between;        ///< no transfer starts inside
};

enum class NotifyOn { failure, recovery, always, stale };

/// Whom to tell about runs, and when.
struct Notify {
  enum class Way { command, url, mailto };
  std::vector<NotifyOn> on;  ///< at least one
  Way way = Way::command;
  std::string target;  ///< the program's absolute path, the URL or the mail address
  int line = 0;
  std::string element = {};  ///< as in Finding
};

/// `<peerstage><daemon>`, with its defaults.
struct Daemon {
  std::vector<Job> jobs;
  std::string catalog = "/var/lib/peerstage/catalog.db";
  std::string control_socket = "/run/peerstage/control.sock";
  std::optional<std::string> control_group;  ///< whose members may look, but change nothing
  std::optional<std::string> metrics_file;   ///< absent: none
  std::vector<Notify> notify;
  std::chrono::milliseconds stale_after{std::chrono::hours(36)};
};

/// The section of our own.
struct PeerstageSection {
  struct Staging {
    std::optional<unsigned> parallel_peers;
    std::optional<DailyIndicator> daily_indicator;
    StagingValues values;
  };
  struct Ssh {
    std::optional<Port> port;
    std::optional<std::string> identity_file, known_hosts;  ///< absolute, or below `~`
    std::optional<std::string> config_file;                 ///< the same, or "none"
    std::optional<HostKeyPolicy> host_key_policy;
    std::optional<std::string> ciphers;  ///< comma list
    std::optional<bool> compression;
    std::optional<std::chrono::milliseconds> connect_timeout, idle_timeout;
  };
  struct Collect {
    std::optional<ArchiveMode> archive_mode;  ///< wins over every archive_mode of the collect section
    ArchiveContent content = ArchiveContent::whole;
    IncompleteCollect incomplete = IncompleteCollect::withhold;
  };
  struct Purge {
    UnstagedData unstaged = UnstagedData::keep;
  };
  struct Managed {
    std::chrono::milliseconds deadline{0};  ///< of one action on one peer; 0: none
    Sudo sudo = Sudo::never;                ///< of `exec`
  };
  /// At most so many peers of a `<group>` are at work at a time.
  struct Group {
    std::string name;
    unsigned parallel_peers = 1;
    int line = 0;
    std::string element = {};  ///< as in Finding
  };
  Staging staging;
  Ssh ssh;
  Collect collect;
  Purge purge;
  Managed managed;
  std::vector<Group> groups;
  std::optional<Daemon> daemon;
};

struct Config {
  std::string file;
  std::optional<Reference> reference;
  std::optional<Extensions> extensions;
  Options options;
  std::optional<std::vector<ConfiguredPeer>> peers;
  std::optional<Collect> collect;
  std::optional<Stage> stage;
  std::optional<Store> store;
  std::optional<Purge> purge;
  PeerstageSection peerstage;
};

}  // namespace peerstage::config
