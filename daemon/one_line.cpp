#include "daemon/one_line.h"

#include "peers/text.h"

namespace peerstage::daemon {

std::string one_line(std::string_view text) {
  std::string result;
  while (true) {
    const auto backslash = text.find('\\');
    result += peers::printable(text.substr(0, backslash));
    if (backslash == std::string_view::npos) return result;
    result += '\\';
    text.remove_prefix(backslash + 1);
  }
}

}  // namespace peerstage::daemon
