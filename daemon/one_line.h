#pragma once

#include <string>
#include <string_view>

namespace peerstage::daemon {

/// One line of valid UTF-8 without control characters, of a text that should be that already: a backslash in
/// it stands for itself, and only what slipped through is escaped (see peers/text.h).
std::string one_line(std::string_view text);

}  // namespace peerstage::daemon
