#pragma once

namespace peerstage::peers::ssh {

class Session;

/// Logs in with keys and nothing else: no password, no prompt, no `none`. The configured files first, then
/// the agent unless only configured ones may be offered; without configured files the agent, then the default
/// files. At most six files are offered, because a server hangs up on too many.
///
/// Only to be called when the host key has been judged. Throws PeerError: permanent when no key opens the
/// door, with what became of each one.
void authenticate(Session& session);

}  // namespace peerstage::peers::ssh
