#pragma once

#include "daemon/actions/action_result.h"

namespace peerstage::daemon {

/// Purges the directories of the purge section, as root or whoever we are; see peers/purge/purge.h. Ends with
/// 0; 7 when something could not be removed or a directory is missing; 5 when a signal ended it; 6 without a
/// purge section. Files that are kept because they are not staged are a warning.
///
/// JSON: {"version": 1, "status": "ok|failed|interrupted|error", "error": null | sentence, "dry_run": bool,
/// "directories": [{"path", "retain_days", "files", "bytes", "directories", "kept_unstaged", "failures",
/// "more_failures"}]}, and in a dry run "would_remove": [{"type", "path", "bytes", "age_days"}] in each.
ActionResult purge_action(const ActionContext& context);

}  // namespace peerstage::daemon
