#include "daemon/worker_needs.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <boost/filesystem/operations.hpp>
#include <boost/filesystem/path.hpp>

#include "peers/failure.h"
#include "peers/ssh/known_hosts.h"
#include "peers/ssh/options.h"

namespace peerstage::daemon {
namespace {

namespace fs = boost::filesystem;

constexpr std::uint16_t domain_port = 53;  // long answers come over TCP

void need(Needs& needs, FileAccess access, std::initializer_list<const char*> paths) {
  for (const char* path : paths) needs.paths.emplace_back(path, access);
}

std::string directory_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

/// Where the list of name servers really is. It may be replaced at any time, and is looked for by its name.
std::string directory_of_name_servers() {
  boost::system::error_code error;
  const fs::path file = fs::canonical("/etc/resolv.conf", error);
  return error ? std::string("/etc") : file.parent_path().string();
}

/// Modules for the name service have their settings in /etc, and bring libraries of their own.
void need_name_service(Needs& needs) {
  need(needs, FileAccess::read,
       {"/etc", "/run/nscd", "/run/systemd", "/var/db", "/var/lib/extrausers", "/var/lib/libvirt/dnsmasq",
        "/var/lib/misc", "/var/lib/sss", "/var/yp"});
  needs.paths.emplace_back(directory_of_name_servers(), FileAccess::read);
  needs.ports->push_back(domain_port);
}

/// A new host key is added to this file, which is looked at again before. It is made here, because who may
/// make one file in a directory may make, and write to, every other one there: authorized_keys, say.
void need_known_hosts(Needs& needs, const std::string& path) {
  needs.paths.emplace_back(directory_of(path), FileAccess::list);  // to sync it
  try {
    peers::ssh::make_known_hosts(path);
    needs.paths.emplace_back(path, FileAccess::append);
  } catch (const peers::PeerError&) {
    // Whoever has a key to add will meet the same obstacle, and tell.
  }
}

void need_files(Needs& needs, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) needs.paths.emplace_back(path, FileAccess::read);
}

}  // namespace

void need_machine(Needs& needs, const config::SshSettings& settings, const peers::ssh::LocalUser& user) {
  need_this_machine(needs);
  if (!needs.ports) needs.ports.emplace();
  need_name_service(needs);
  needs.paths.emplace_back(user.home + "/.ssh", FileAccess::read);
  try {
    const peers::ssh::ConnectionOptions options = peers::ssh::resolve_options(settings, user);
    need_files(needs, options.config_files);
    for (const std::string& directory : options.config_directories)
      needs.paths.emplace_back(directory, FileAccess::list);
    need_files(needs, options.identity_files);
    need_files(needs, options.default_identity_files);
    need_files(needs, options.user_known_hosts);
    need_files(needs, options.global_known_hosts);
    needs.ports->push_back(options.port.number);
    const bool learns = options.host_key_policy == config::HostKeyPolicy::accept_new &&
                        user.new_host_keys == peers::ssh::NewHostKeys::remembered;
    if (learns && !options.user_known_hosts.empty())
      need_known_hosts(needs, options.user_known_hosts.front());
  } catch (const peers::PeerError&) {
    needs.paths.emplace_back("/", FileAccess::read);
  }
}

void need_this_machine(Needs& needs) {
  need(needs, FileAccess::append, {"/dev/null"});
  need(needs, FileAccess::read,
       {"/dev/random",
        "/dev/urandom",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/etc/ssl/openssl.cnf",
        "/gnu/store",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/nix/store",
        "/proc/self",
        "/proc/sys",
        "/sys/devices/system/cpu",
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/libx32",
        "/usr/local/lib",
        "/usr/share"});
}

void need_programs(Needs& needs) {
  // Where the loader of a program is, which is executed as well.
  need(needs, FileAccess::run,
       {"/bin", "/gnu/store", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/usr/bin", "/usr/lib",
        "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/bin"});
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : ""; !rest.empty();) {
    const std::size_t length = std::min(rest.find(':'), rest.size());
    // Only absolute ones: where a worker stands is no place for programs, nor is everything.
    if (rest.starts_with('/') && length > 1)
      needs.paths.emplace_back(rest.substr(0, length), FileAccess::run);
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
}

}  // namespace peerstage::daemon
