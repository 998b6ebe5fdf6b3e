#pragma once

#include "config/config.h"
#include "config/fields.h"

namespace peerstage::config {

/// The elements that `<peerstage><staging>` and a `<peer>` have in common.
StagingValues read_staging_values(Fields& fields);

}  // namespace peerstage::config
