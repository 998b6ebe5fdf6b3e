#include "peers/ssh/shell_words.h"

#include <string_view>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {

std::string shell_words(const std::vector<std::string>& argv) {
  if (argv.empty()) throw PeerError(FailureKind::permanent, "cannot run a command without words");
  std::string line;
  for (const std::string& word : argv) {
    if (word.find_first_of(std::string_view("\0\n\r", 3)) != std::string::npos) {
      throw PeerError(FailureKind::permanent,
                      "cannot run a command whose word " + printable(word, 200) + " holds a newline or NUL");
    }
    line += line.empty() ? "'" : " '";
    for (const char c : word) {
      if (c == '\'') {
        line += "'\\''";
      } else {
        line += c;
      }
    }
    line += '\'';
  }
  return line;
}

}  // namespace peerstage::peers::ssh
