#pragma once

#include <string>
#include <vector>

namespace peerstage::peers {

/// A line from which the shell of a user makes exactly these words, whichever it is: sh, bash, zsh, tcsh or
/// fish (tried). Each word stands in single quotes; what only some shells take literally there (`\` and `!`)
/// stands outside of them behind a backslash. A newline cannot be said to all of them: a line with one asks
/// sh to decode it with printf(1).
///
/// Throws PeerError, permanent, for no words at all and for NUL, which no command can be given.
std::string shell_words(const std::vector<std::string>& argv);

/// The same for sh alone, where newlines are nothing special.
std::string posix_words(const std::vector<std::string>& argv);

}  // namespace peerstage::peers
