#include "tests/fuzz/target.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace peerstage::fuzz {
namespace {

const Target* last_defined = nullptr;

}  // namespace

Target::Target(const char* name, Run run) : name_(name), run_(run), before_(last_defined) {
  last_defined = this;
}

const Target* Target::find(std::string_view name) {
  for (const Target* target = last_defined; target != nullptr; target = target->before_)
    if (target->name_ == name) return target;
  return nullptr;
}

const Target& Target::only() {
  expect(last_defined != nullptr && last_defined->before_ == nullptr, "this program has one target");
  return *last_defined;
}

void expect(bool holds, std::string_view sentence) {
  if (holds) return;
  std::fprintf(stderr, "this does not hold: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  std::abort();
}

}  // namespace peerstage::fuzz
