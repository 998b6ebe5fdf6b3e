#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>

namespace peerstage::daemon {

/// Runs the loop until somebody stops it. SIGINT, SIGTERM and SIGHUP, also those that were held back so far
/// (see TerminationHeldBack), call `interrupt` on the loop, once. They stay held back, the one that
/// interrupted included: whoever holds them back around this sees that termination_is_waiting(). Throws
/// std::system_error.
void run_interruptibly(boost::asio::io_context& loop, const std::function<void()>& interrupt);

}  // namespace peerstage::daemon
