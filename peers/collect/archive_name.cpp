#include <string>
#include <string_view>

#include "config/utf8.h"
#include "peers/collect/tree.h"

namespace peerstage::peers::collect {
namespace {

bool is_separator(char c) {
  return c == '/' || c == '\\';
}

/// What one character becomes; bytes that are not UTF-8 stay what they are.
std::string_view mangled(std::string_view path, std::size_t at, std::size_t& bytes) {
  const auto character = config::decode_utf8(path, at);
  bytes = character ? character->bytes : 1;
  if (is_separator(path[at])) return "-";
  if (path[at] == ':' || (character && config::is_space(character->value))) return "_";
  return path.substr(at, bytes);
}

}  // namespace

std::string archive_name(const std::string& path) {
  if (path == "/") return "_";
  std::string_view rest = path;
  if (!rest.empty() && is_separator(rest.front())) rest.remove_prefix(1);
  std::string name;
  std::size_t bytes = 0;
  for (std::size_t at = 0; at < rest.size(); at += bytes) name += mangled(rest, at, bytes);
  if (!name.empty() && name.front() == '.') name.front() = '_';
  return name;
}

}  // namespace peerstage::peers::collect
