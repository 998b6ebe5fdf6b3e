#pragma once

#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/local_action.h"
#include "daemon/log_file.h"
#include "daemon/timeline.h"

namespace peerstage::daemon {

/// Has the actions of this machine's own done by this program, as a process of its own: it may take hours,
/// becomes whom it has to become, and writes into the same log.
///
/// The loop and the timeline must outlive what is begun.
BeginLocalAction local_actions(boost::asio::io_context& loop, Timeline& timeline,
                               const std::string& config_file, const LogFile& log);

}  // namespace peerstage::daemon
