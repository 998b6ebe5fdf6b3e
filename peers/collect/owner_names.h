#pragma once

#include <string>

#include <sys/types.h>

namespace peerstage::peers::collect {

/// The name of a user or a group, empty where it has none. Each is looked up once in a thread's life.
const std::string& user_name(uid_t id);
const std::string& group_name(gid_t id);

}  // namespace peerstage::peers::collect
