#pragma once

#include <optional>
#include <string>

/// What the user that this process is may do with a file, without doing it. Each returns the end of a
/// sentence of which the path is the subject ("does not exist"); absent: all is well. A path of a
/// configuration: links in it are followed.
namespace peerstage::daemon {

/// `rights` are those of access(2): R_OK to list it, W_OK to make and remove entries, X_OK to reach them.
std::optional<std::string> directory_problem(const std::string& path, int rights);

/// Of anything that can be read.
std::optional<std::string> reading_problem(const std::string& path);

/// Of a program: an absolute path, or a word that is looked for in PATH, as execvp(3) does.
std::optional<std::string> program_problem(const std::string& program);

}  // namespace peerstage::daemon
