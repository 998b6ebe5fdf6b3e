#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The patterns of ssh_config(5) and sshd(8): `*` is any run of characters, `?` any one.
namespace peerstage::peers::ssh {

bool matches_pattern(std::string_view text, std::string_view pattern);

/// Whether at least one pattern matches and none of those that begin with `!`.
bool matches_patterns(std::string_view text, const std::vector<std::string>& patterns);

/// The parts between the separators, empty ones left out.
std::vector<std::string> split(std::string_view text, std::string_view separators);

/// ASCII only, whatever the locale.
std::string lower_case(std::string_view text);

}  // namespace peerstage::peers::ssh
