#pragma once

#include <optional>
#include <string>

/// Files of the user's that decide about a login: small, regular, read whole.
namespace peerstage::peers::ssh {

/// The content; absent when there is no such file. Throws PeerError, permanent, for anything but a regular
/// file of at most 16 MiB that can be read. Never blocks on a FIFO.
std::optional<std::string> read_small_file(const std::string& path);

/// The same, for a file that nobody but root and the process's user may own or write, as OpenSSH demands of
/// its configuration.
std::optional<std::string> read_trusted_file(const std::string& path);

/// The same, for a file that nobody but its owner may read, as OpenSSH demands of private keys.
std::optional<std::string> read_secret_file(const std::string& path);

}  // namespace peerstage::peers::ssh
