#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "peers/descriptor.h"

namespace peerstage::daemon {

/// Asks logind (org.freedesktop.login1.Manager.Inhibit) to keep this machine from sleeping and from being
/// shut down, as long as the descriptors that it returns are open. `why` is what a person is told who wants
/// to do either; printable.
///
/// The mode is "block". "delay" would hold a sleep up for five seconds, which saves no transfer: it breaks
/// all the same. Blocked, a machine that goes to sleep by itself stays awake until the pool is staged, and a
/// person at a terminal is told who is at work and can go on with `--ignore-inhibitors`; root's scripts, and
/// a shutdown because of a failing power supply, are not held up.
///
/// Waits for at most a quarter of a second. Otherwise one sentence: there is no D-Bus, no logind, or it
/// refuses. None of that is worth more than a debug line.
using Inhibition = std::vector<peers::Descriptor>;
std::variant<Inhibition, std::string> inhibit_sleep(std::string_view why);

}  // namespace peerstage::daemon
