#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "peers/staging/hash.h"

/// The format of coreutils' sha256sum: a sum, two blanks (or a blank and an asterisk), a name. A name with a
/// backslash, newline or carriage return has these escaped (`\\`, `\n`, `\r`) and the line begins with a
/// backslash then.
namespace peerstage::peers::staging {

/// One line of it. The name is raw bytes, not checked.
struct NamedSum {
  std::string name;
  Digest sum;
  bool operator==(const NamedSum&) const = default;
};

/// Sums by path relative to the directory that the manifest lies in.
using Manifest = std::map<std::string, Digest>;

/// How long a manifest may be that we read, in bytes.
inline constexpr std::size_t longest_manifest = 64U << 20U;

/// The line for one file, newline included.
std::string manifest_line(const std::string& name, const Digest& sum);

/// Every line of such a text. `what` names it in the message of the PeerError (permanent) that a malformed
/// line is, with its number.
std::vector<NamedSum> parse_sums(std::string_view text, const std::string& what);

/// The same for a manifest: a leading "./" is dropped, and every name is checked like a RelativePath. Two
/// different sums for one name are an error, too.
Manifest parse_manifest(std::string_view text, const std::string& what);

}  // namespace peerstage::peers::staging
