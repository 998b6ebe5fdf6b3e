#pragma once

#include <string_view>

namespace peerstage::daemon {

/// What a line is about, for whoever sorts lines by it. They reach the journal; the file has the text alone.
struct LogFields {
  std::string_view peer;        ///< PEERSTAGE_PEER=
  std::string_view run;         ///< PEERSTAGE_RUN=
  std::string_view message_id;  ///< MESSAGE_ID=, one of daemon/message_ids.h
};

}  // namespace peerstage::daemon
