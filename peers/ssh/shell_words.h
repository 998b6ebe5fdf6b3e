#pragma once

#include <string>
#include <vector>

namespace peerstage::peers::ssh {

/// A line from which a POSIX shell makes exactly these words: each one in single quotes. Throws PeerError,
/// permanent, for no words at all and for NUL or a newline, which no command of ours needs and other shells
/// read otherwise.
std::string shell_words(const std::vector<std::string>& argv);

}  // namespace peerstage::peers::ssh
