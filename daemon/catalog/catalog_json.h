#pragma once

#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"

namespace peerstage::daemon {

/// The document of `history --json` and of `GET /v1/runs`: {"version": 1, "runs": [...]}, each of them
/// {"run": {...}, "peers": [...]} as in the document of `stage --json`, with its origin and its
/// interruptions. A run that is not over has no "finished" (null). A newline at its end.
std::string to_json(const std::vector<CatalogedRun>& runs);

/// One run, the document of `GET /v1/runs/ID`: {"version": 1, "run": {...}, "peers": [...]}.
std::string to_json(const CatalogedRun& run);

}  // namespace peerstage::daemon
