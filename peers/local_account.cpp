#include "peers/local_account.h"

#include <cerrno>
#include <cstddef>
#include <optional>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

/// An entry of the user database; what it points to is in `memory`. `ask` is getpwnam_r(3) or one of its kin.
template <typename Entry, typename Key>
std::optional<Entry> entry_of(int (*ask)(Key, Entry*, char*, std::size_t, Entry**), Key key,
                              std::vector<char>& memory) {
  Entry entry{}, *found = nullptr;
  memory.resize(1024);
  int error = 0;
  while ((error = ask(key, &entry, memory.data(), memory.size(), &found)) == ERANGE)
    memory.resize(memory.size() * 2);
  if (found == nullptr) return std::nullopt;
  return entry;
}

std::vector<gid_t> groups_of(const std::string& user, gid_t group) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (::getgrouplist(user.c_str(), group, groups.data(), &count) < 0)
    groups.resize(static_cast<std::size_t>(count));
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

bool LocalAccount::is_us() const {
  return uid == ::geteuid() && gid == ::getegid();
}

LocalAccount look_up_account(const std::string& user, const std::string& group) {
  std::vector<char> memory;
  const auto entry = user.empty() ? entry_of(::getpwuid_r, ::geteuid(), memory)
                                  : entry_of(::getpwnam_r, user.c_str(), memory);
  if (!entry) {
    throw PeerError(
        FailureKind::permanent,
        "there is no user " + (user.empty() ? our_name() : printable(user, 100)) + " on this machine");
  }
  LocalAccount account{entry->pw_name, entry->pw_dir, entry->pw_uid, entry->pw_gid, {}};
  // A user may be at work with another group than the database has for him.
  if (account.uid == ::geteuid()) account.gid = ::getegid();
  if (!group.empty()) {
    const auto wanted = entry_of(::getgrnam_r, group.c_str(), memory);
    if (!wanted)
      throw PeerError(FailureKind::permanent,
                      "there is no group " + printable(group, 100) + " on this machine");
    account.gid = wanted->gr_gid;
  }
  account.groups = groups_of(account.name, account.gid);
  return account;
}

std::string our_name() {
  std::vector<char> memory;
  const auto entry = entry_of(::getpwuid_r, ::geteuid(), memory);
  return entry ? std::string(entry->pw_name) : "user " + std::to_string(::geteuid());
}

}  // namespace peerstage::peers
