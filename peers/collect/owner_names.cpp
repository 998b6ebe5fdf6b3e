#include "peers/collect/owner_names.h"

#include <cerrno>
#include <cstddef>
#include <unordered_map>
#include <vector>

#include <grp.h>
#include <pwd.h>

namespace peerstage::peers::collect {
namespace {

/// `look_up` is getpwuid_r(3) or getgrgid_r(3).
template <typename Record, typename Id, typename LookUp>
Record* found(Id id, Record& record, std::vector<char>& buffer, LookUp look_up) {
  constexpr std::size_t too_much = 1U << 20U;
  for (buffer.resize(1024);; buffer.resize(2 * buffer.size())) {
    Record* result = nullptr;
    const int error = look_up(id, &record, buffer.data(), buffer.size(), &result);
    if (error != ERANGE || buffer.size() > too_much) return result;
  }
}

}  // namespace

const std::string& user_name(uid_t id) {
  thread_local std::unordered_map<uid_t, std::string> known;
  const auto [place, is_new] = known.try_emplace(id);
  if (is_new) {
    passwd record{};
    std::vector<char> buffer;
    if (found(id, record, buffer, ::getpwuid_r) != nullptr) place->second = record.pw_name;
  }
  return place->second;
}

const std::string& group_name(gid_t id) {
  thread_local std::unordered_map<gid_t, std::string> known;
  const auto [place, is_new] = known.try_emplace(id);
  if (is_new) {
    group record{};
    std::vector<char> buffer;
    if (found(id, record, buffer, ::getgrgid_r) != nullptr) place->second = record.gr_name;
  }
  return place->second;
}

}  // namespace peerstage::peers::collect
