#pragma once

#include <optional>

#include "config/config.h"
#include "config/fields.h"

/// The sections of a configuration, one function for each: from the elements to the values, with every rule
/// that concerns the section alone.
namespace peerstage::config {

Reference read_reference(Fields fields);
Extensions read_extensions(Fields fields);
Options read_options(Fields fields);
std::vector<ConfiguredPeer> read_peers(Fields fields);
Collect read_collect(Fields fields);
Stage read_stage(Fields fields);
Store read_store(Fields fields);
Purge read_purge(Fields fields);
PeerstageSection read_peerstage(Fields fields);

}  // namespace peerstage::config
