#pragma once

#include <sys/fsuid.h>
#include <unistd.h>

namespace peerstage::test {

/// For the time of its life this thread may no more of files than a user without rights: what is said of
/// files that cannot be read is tested as root, too.
class WithoutRights {
 public:
  WithoutRights() { ::setfsuid(::geteuid() == 0 ? nobody : ::geteuid()); }
  ~WithoutRights() { ::setfsuid(::geteuid()); }
  WithoutRights(const WithoutRights&) = delete;
  WithoutRights& operator=(const WithoutRights&) = delete;

 private:
  static constexpr uid_t nobody = 65534;
};

}  // namespace peerstage::test
