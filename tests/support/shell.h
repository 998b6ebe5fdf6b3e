#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>

namespace peerstage::test {

/// What a shell command writes, both streams. Throws when it fails.
inline std::string output_of(const std::string& command) {
  FILE* const output = ::popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (output == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  for (int c = std::fgetc(output); c != EOF; c = std::fgetc(output)) text += static_cast<char>(c);
  if (::pclose(output) != 0) throw std::runtime_error(command + " failed: " + text);
  return text;
}

}  // namespace peerstage::test
