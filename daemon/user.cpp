#include "daemon/user.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr auto nobody_at_all = static_cast<uid_t>(-1);  // chown(2) and setresuid(2) take it for "leave alone"

/// Calls a get…_r function with a buffer that is large enough.
template <typename Entry, typename Lookup>
bool look_up(Lookup lookup, Entry& entry, std::vector<char>& buffer) {
  for (buffer.resize(1024);; buffer.resize(buffer.size() * 2)) {
    Entry* found = nullptr;
    const int error = lookup(&entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) continue;
    if (error != 0)
      throw std::runtime_error("cannot ask the user database: " + std::generic_category().message(error));
    return found != nullptr;
  }
}

}  // namespace

std::optional<peers::staging::Ownership> owner_to_be(const std::string& backup_user,
                                                     const std::string& backup_group) {
  if (started_as() != config::StartedAs::root) return std::nullopt;
  const User user = look_up_user(backup_user, backup_group);
  return peers::staging::Ownership{user.uid, user.gid};
}

gid_t look_up_group(const std::string& group, const std::string& what, const std::string& element) {
  struct group entry {};
  std::vector<char> buffer;
  const auto by_name = [&](auto... arguments) { return ::getgrnam_r(group.c_str(), arguments...); };
  if (!look_up(by_name, entry, buffer) || entry.gr_gid == nobody_at_all) {
    throw std::runtime_error("the " + what + " " + peers::printable(group) +
                             " does not exist on this machine: create it, or name another one in " + element);
  }
  return entry.gr_gid;
}

User look_up_user(const std::string& user, const std::string& group) {
  passwd entry{};
  std::vector<char> buffer;
  const auto by_name = [&](auto... arguments) { return ::getpwnam_r(user.c_str(), arguments...); };
  if (!look_up(by_name, entry, buffer) || entry.pw_uid == nobody_at_all) {
    throw std::runtime_error(
        "the backup user " + peers::printable(user) +
        " does not exist on this machine: create it, or name another one in options/backup_user");
  }
  User result{entry.pw_name, entry.pw_dir, entry.pw_uid, entry.pw_gid};

  result.gid = look_up_group(group, "backup group", "options/backup_group");
  return result;
}

User calling_user() {
  passwd entry{};
  std::vector<char> buffer;
  const auto by_id = [](auto... arguments) { return ::getpwuid_r(::geteuid(), arguments...); };
  if (look_up(by_id, entry, buffer)) return {entry.pw_name, entry.pw_dir, ::geteuid(), ::getegid()};
  return {std::to_string(::geteuid()), "/", ::geteuid(), ::getegid()};
}

config::StartedAs started_as() {
  return ::geteuid() == 0 ? config::StartedAs::root : config::StartedAs::user;
}

}  // namespace peerstage::daemon
