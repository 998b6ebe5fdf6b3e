#pragma once

namespace peerstage::daemon {

extern const char* const main_usage;
extern const char* const check_usage;
extern const char* const trust_usage;
extern const char* const schedule_usage;
extern const char* const daemon_usage;
extern const char* const history_usage;
extern const char* const files_usage;
extern const char* const rebuild_usage;
extern const char* const verify_usage;
extern const char* const status_usage;
extern const char* const start_usage;
extern const char* const cancel_usage;
extern const char* const steer_usage;
extern const char* const exec_usage;

}  // namespace peerstage::daemon
