#pragma once

#include "daemon/exit_code.h"

/// What several actions in one run come to.
namespace peerstage::daemon {

/// An action that failed for some peers or items lets the later ones go on; one that could not be done at
/// all, or was interrupted, does not.
bool lets_others_go_on(ExitCode code);

/// That of the whole run: the worst that any action had. An interruption outweighs what could not be done,
/// that outweighs a failure, and that what was not ready.
ExitCode worse(ExitCode one, ExitCode other);

}  // namespace peerstage::daemon
