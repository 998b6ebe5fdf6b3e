#include "peers/collect/extended_attributes.h"

#include <algorithm>
#include <archive_entry.h>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <endian.h>
#include <functional>
#include <optional>
#include <string_view>

#include <linux/limits.h>
#include <sys/xattr.h>

#include "peers/collect/owner_names.h"

namespace peerstage::peers::collect {
namespace {

constexpr std::string_view access_acl = "system.posix_acl_access";
constexpr std::string_view default_acl = "system.posix_acl_default";

/// What flistxattr(2) and its like do with a buffer: its size, or -1.
using Fill = std::function<ssize_t(char* buffer, std::size_t size)>;

std::optional<std::string> filled(const Fill& fill) {
  // Most files have none, and few have many: one call will do.
  std::string buffer(512, '\0');
  for (;;) {
    const ssize_t got = fill(buffer.data(), buffer.size());
    if (got >= 0) {
      buffer.resize(static_cast<std::size_t>(got));
      return buffer;
    }
    constexpr std::size_t largest = XATTR_LIST_MAX;
    if (errno != ERANGE || buffer.size() >= largest) return std::nullopt;
    buffer.resize(std::min(buffer.size() * 16, largest));
  }
}

// How the kernel hands out a POSIX ACL (linux/posix_acl_xattr.h): a version, then such entries.
struct AclHeader {
  std::uint32_t version;
};
struct AclEntry {
  std::uint16_t tag, permissions;
  std::uint32_t id;
};
constexpr std::uint32_t acl_version = 2;

std::optional<int> kind_of(std::uint16_t tag) {
  switch (tag) {
    case 0x01:
      return ARCHIVE_ENTRY_ACL_USER_OBJ;
    case 0x02:
      return ARCHIVE_ENTRY_ACL_USER;
    case 0x04:
      return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
    case 0x08:
      return ARCHIVE_ENTRY_ACL_GROUP;
    case 0x10:
      return ARCHIVE_ENTRY_ACL_MASK;
    case 0x20:
      return ARCHIVE_ENTRY_ACL_OTHER;
    default:
      return std::nullopt;
  }
}

void add_acl(const std::string& value, int type, archive_entry* member) {
  AclHeader header{};
  if (value.size() < sizeof header) return;
  std::memcpy(&header, value.data(), sizeof header);
  if (le32toh(header.version) != acl_version) return;
  for (std::size_t at = sizeof header; at + sizeof(AclEntry) <= value.size(); at += sizeof(AclEntry)) {
    AclEntry entry{};
    std::memcpy(&entry, value.data() + at, sizeof entry);
    const auto kind = kind_of(le16toh(entry.tag));
    if (!kind) continue;
    const std::uint32_t id = le32toh(entry.id);
    std::string name;
    if (*kind == ARCHIVE_ENTRY_ACL_USER) name = user_name(id);
    if (*kind == ARCHIVE_ENTRY_ACL_GROUP) name = group_name(id);
    archive_entry_acl_add_entry(member, type, le16toh(entry.permissions) & 7, *kind, static_cast<int>(id),
                                name.c_str());
  }
}

void add_attributes(std::string_view names,
                    const std::function<ssize_t(const char*, char*, std::size_t)>& get,
                    archive_entry* member) {
  while (!names.empty()) {
    const std::string name(names.substr(0, names.find('\0')));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    if (name.empty() || name.find('=') != std::string::npos) continue;  // no archive can hold such a name
    const auto value =
        filled([&](char* buffer, std::size_t size) { return get(name.c_str(), buffer, size); });
    if (!value) continue;
    if (name == access_acl) {
      add_acl(*value, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, member);
    } else if (name == default_acl) {
      add_acl(*value, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, member);
    } else {
      archive_entry_xattr_add_entry(member, name.c_str(), value->data(), value->size());
    }
  }
}

}  // namespace

void add_attributes_of(int file, archive_entry* member) {
  const auto names =
      filled([file](char* buffer, std::size_t size) { return ::flistxattr(file, buffer, size); });
  if (!names || names->empty()) return;
  add_attributes(
      *names,
      [file](const char* name, char* buffer, std::size_t size) {
        return ::fgetxattr(file, name, buffer, size);
      },
      member);
}

void add_attributes_of(const std::string& path, archive_entry* member) {
  const auto names =
      filled([&](char* buffer, std::size_t size) { return ::llistxattr(path.c_str(), buffer, size); });
  if (!names || names->empty()) return;
  add_attributes(
      *names,
      [&](const char* name, char* buffer, std::size_t size) {
        return ::lgetxattr(path.c_str(), name, buffer, size);
      },
      member);
}

}  // namespace peerstage::peers::collect
