#pragma once

#include <string>
#include <string_view>

#include "peers/failure.h"
#include "peers/sftp/packet.h"

namespace peerstage::peers::sftp {

/// " 'path' on machine" with the path made printable, for sentences like "cannot read 'path' on machine".
std::string on_machine(std::string_view path, std::string_view machine);

/// The error for a request that the server refused: "tried: permission denied". Transient if the server says
/// that it lost a connection of its own, else permanent. The server's own words are added where they say more
/// than the code.
PeerError refused(const std::string& tried, const Status& status);

}  // namespace peerstage::peers::sftp
