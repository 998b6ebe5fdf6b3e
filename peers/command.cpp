#include "peers/command.h"

#include <algorithm>

namespace peerstage::peers {

void take_output(const Command& command, CommandResult& result, CommandStream stream,
                 std::string_view bytes) {
  const bool error = stream == CommandStream::error;
  if (command.heard) command.heard(stream, bytes);
  (error ? result.error_bytes : result.output_bytes) += bytes.size();
  std::string& kept = error ? result.error_output : result.output;
  kept.append(bytes.substr(0, command.output_limit - std::min(command.output_limit, kept.size())));
}

}  // namespace peerstage::peers
