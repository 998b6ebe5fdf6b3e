#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "daemon/report.h"

/// The parts of the documents that tell of runs, for whoever makes one of them.
namespace peerstage::daemon {

using Json = nlohmann::ordered_json;

/// "error" of a peer; null where there is none.
Json error_object(const std::optional<peers::Failure>& failure);
/// One of the "actions" of a peer or a run.
Json action_object(const ActionReport& report);
Json action_objects(const std::vector<ActionReport>& actions);
/// "run" in the document of `stage --json`.
Json run_object(const RunReport& report);
/// One of its "peers".
Json peer_object(const PeerReport& report);
/// All of them.
Json peer_objects(const RunReport& report);

/// The text of a document, with a newline at its end.
std::string document_text(const Json& document);
/// The document of a command that could not do what was asked: {"version": 1, "error": sentence}.
std::string error_document(const std::string& sentence);

}  // namespace peerstage::daemon
