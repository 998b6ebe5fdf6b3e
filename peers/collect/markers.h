#pragma once

#include <optional>

#include "peers/staging/directory.h"
#include "peers/staging/markers.h"

namespace peerstage::peers::collect {

using staging::find_marker;
using staging::Marker;
using staging::says_staged;

/// Writes cback.collect, durable, after everything else of the directory has become durable. Throws
/// PeerError; there is no such marker then.
Marker write_collect_marker(const staging::Directory& collect_dir,
                            const std::optional<staging::Ownership>& owner);

}  // namespace peerstage::peers::collect
