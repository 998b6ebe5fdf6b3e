#include "peers/staging/manifest.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "peers/failure.h"
#include "peers/staging/relative_path.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::size_t sum_length = 64;

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    switch (c) {
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      default:
        text += c;
    }
  }
  return text;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      name += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case '\\':
        name += '\\';
        break;
      case 'n':
        name += '\n';
        break;
      case 'r':
        name += '\r';
        break;
      default:
        return std::nullopt;
    }
  }
  return name;
}

std::optional<NamedSum> parse_line(std::string_view line) {
  const bool is_escaped = line.starts_with('\\');
  if (is_escaped) line.remove_prefix(1);
  if (line.size() < sum_length + 3 || line[sum_length] != ' ') return std::nullopt;
  if (line[sum_length + 1] != ' ' && line[sum_length + 1] != '*') return std::nullopt;
  const auto sum = Digest::from_hex(line.substr(0, sum_length));
  const std::string_view text = line.substr(sum_length + 2);
  const auto name = is_escaped ? unescaped(text) : std::string(text);
  if (!sum || !name || name->find('\0') != std::string::npos) return std::nullopt;
  return NamedSum{*name, *sum};
}

PeerError line_error(const std::string& what, std::size_t line, const std::string& reason) {
  return {FailureKind::permanent, what + ", line " + std::to_string(line) + ": " + reason};
}

/// Calls `take(entry, number)` for each line.
template <typename Take>
void for_each_line(std::string_view text, const std::string& what, Take take) {
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++number;
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    auto entry = parse_line(text.substr(begin, end - begin));
    if (!entry) throw line_error(what, number, "not a line that sha256sum writes");
    take(std::move(*entry), number);
    begin = end + 1;
  }
}

/// The name in a manifest, checked.
std::string checked_name(std::string_view name, const std::string& what, std::size_t number) {
  if (name.starts_with("./")) name.remove_prefix(2);
  try {
    return RelativePath::parse(name).bytes();
  } catch (const PeerError& error) {
    throw PeerError(error.kind(), what + ", line " + std::to_string(number) + ": " + error.what());
  }
}

}  // namespace

std::string manifest_line(const std::string& name, const Digest& sum) {
  if (name == "-") return manifest_line("./-", sum);  // by itself, sha256sum takes it for its standard input
  const std::string text = escaped(name);
  return (text == name ? "" : "\\") + sum.hex() + "  " + text + "\n";
}

std::vector<NamedSum> parse_sums(std::string_view text, const std::string& what) {
  std::vector<NamedSum> sums;
  for_each_line(text, what, [&](NamedSum entry, std::size_t) { sums.push_back(std::move(entry)); });
  return sums;
}

Manifest parse_manifest(std::string_view text, const std::string& what) {
  Manifest manifest;
  for_each_line(text, what, [&](const NamedSum& entry, std::size_t number) {
    const auto [known, added] = manifest.try_emplace(checked_name(entry.name, what, number), entry.sum);
    if (!added && known->second != entry.sum)
      throw line_error(what, number, "a second, different sum for one name");
  });
  return manifest;
}

}  // namespace peerstage::peers::staging
