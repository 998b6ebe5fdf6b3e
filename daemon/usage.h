#pragma once

namespace peerstage::daemon {

extern const char* const main_usage;
extern const char* const check_usage;
extern const char* const trust_usage;

}  // namespace peerstage::daemon
