#include "daemon/shared_rate.h"

#include <cerrno>
#include <cstdlib>
#include <new>
#include <system_error>

#include <sys/mman.h>

namespace peerstage::daemon {

SharedRate::SharedRate(config::ByteCount rate) {
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "cannot share memory with a worker");
  page_ =
      std::shared_ptr<Page>(new (memory) Page(rate.bytes), [](Page* page) { ::munmap(page, sizeof(Page)); });
}

void SharedRate::keep_to_this_worker() {
  ::madvise(page_.get(), sizeof(Page), MADV_DONTFORK);  // at worst others have a page that they do not use
}

std::shared_ptr<const std::atomic<std::uint64_t>> SharedRate::reading_side() const noexcept {
  if (::mprotect(page_.get(), sizeof(Page), PROT_READ) != 0) std::abort();
  return page_;
}

}  // namespace peerstage::daemon
