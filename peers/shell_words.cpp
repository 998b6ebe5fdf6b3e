#include "peers/shell_words.h"

#include <array>
#include <cstdio>
#include <string_view>

#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers {
namespace {

void judge(const std::vector<std::string>& argv) {
  if (argv.empty()) throw PeerError(FailureKind::permanent, "cannot run a command without words");
  for (const std::string& word : argv) {
    if (word.find('\0') == std::string::npos) continue;
    throw PeerError(FailureKind::permanent,
                    "cannot run a command whose word " + printable(word, 200) + " holds a NUL");
  }
}

/// `outside`: the characters that stand outside of the quotes, behind a backslash.
std::string quoted(std::string_view word, std::string_view outside) {
  std::string result = "'";
  for (const char c : word) {
    if (outside.find(c) == std::string_view::npos)
      result += c;
    else
      result.append("'\\").append(1, c).append("'");
  }
  return result + "'";
}

std::string line(const std::vector<std::string>& argv, std::string_view outside) {
  judge(argv);
  std::string result;
  for (const std::string& word : argv) {
    if (!result.empty()) result += ' ';
    result += quoted(word, outside);
  }
  return result;
}

/// A format from which printf(1) makes these bytes, and that any shell takes literally in single quotes.
std::string printf_format(std::string_view bytes) {
  std::string result;
  for (const char c : bytes) {
    if (c == '%') {
      result += "%%";
    } else if (std::string_view("\\'!\n\r").find(c) != std::string_view::npos) {
      std::array<char, 8> octal{};
      std::snprintf(octal.data(), octal.size(), "\\%03o", static_cast<unsigned>(c));
      result += octal.data();
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string posix_words(const std::vector<std::string>& argv) {
  return line(argv, "'");
}

std::string shell_words(const std::vector<std::string>& argv) {
  std::string plain = line(argv, "'\\!");
  if (plain.find_first_of("\n\r") == std::string::npos) return plain;
  // The words end with a quote: the newlines that $() drops at the end are none of theirs.
  return R"line(sh -c 'eval "exec $(printf "$1")"' sh ')line" + printf_format(posix_words(argv)) + "'";
}

}  // namespace peerstage::peers
