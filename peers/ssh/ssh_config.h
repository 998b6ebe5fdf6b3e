#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "peers/ssh/local_user.h"

/// What OpenSSH's client configuration, ssh_config(5), says about one host. Nothing of it is ever run.
namespace peerstage::peers::ssh {

/// One line that counts for the host.
struct ConfigLine {
  std::vector<std::string> words;  ///< what follows the keyword, quotes removed
  std::string file;
  int line = 0;

  std::string place() const;  ///< "FILE:LINE"
};

/// The lines that count, the first of each keyword.
struct SshConfig {
  std::map<std::string, ConfigLine, std::less<>> first;  ///< by keyword in lower case
  std::vector<ConfigLine> identity_files;                ///< all of them, in order
  std::vector<std::string> notes;                        ///< what was left out, one printable sentence each
  std::vector<std::string> files;                        ///< that were read
  std::vector<std::string> directories;  ///< that were searched for what a wildcard stands for

  const ConfigLine* find(std::string_view keyword) const;
};

/// The host that is asked about.
struct ConfigQuery {
  std::string host;         ///< as it was written, before HostName maps it
  std::string remote_user;  ///< empty: not known yet
  LocalUser user;
};

/// A file to read; a missing one says nothing.
struct ConfigFile {
  enum class Kind { user, system };
  std::string path;
  Kind kind = Kind::user;  ///< where relative names in Include start: ~/.ssh or /etc/ssh
};

/// Reads the files in order, with the files that they include. Of Match only `all`, `host`, `originalhost`,
/// `user` and `localuser` are judged; a block with any other criterion (`exec`!) is left out, with a note.
///
/// Throws PeerError, permanent, naming the line: a file that others can write, that cannot be read, that has
/// unbalanced quotes, or that includes itself; a directory that exists and cannot be searched for files to
/// include.
SshConfig read_ssh_config(const std::vector<ConfigFile>& files, const ConfigQuery& query);

}  // namespace peerstage::peers::ssh
