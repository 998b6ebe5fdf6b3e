#pragma once

/// How every worker begins, whatever its work is.
namespace peerstage::daemon {

/// Undoes what the supervisor does with signals. A pipe that nobody reads any more is an error, not the end.
void use_default_signals();

}  // namespace peerstage::daemon
