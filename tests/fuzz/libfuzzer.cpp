#include <cstddef>
#include <cstdint>

#include "tests/fuzz/target.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer looks for this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  peerstage::fuzz::Target::only()({reinterpret_cast<const char*>(data), size});
  return 0;
}
