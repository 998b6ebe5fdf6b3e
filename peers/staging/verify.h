#pragma once

#include <map>
#include <string>
#include <vector>

#include "peers/connection.h"
#include "peers/staging/manifest.h"
#include "peers/staging/survey.h"

namespace peerstage::peers::staging {

/// The peer's own manifest. Lines for the manifest itself and for our indicator, which cannot be right, are
/// left out. Throws PeerError for one that cannot be read or understood.
Manifest fetch_manifest(Connection& connection, const std::string& collect_dir, const SourceFile& file);

/// Asks the peer for the sums of these files, by its own `sha256sum`. Throws PeerError, permanent, when it
/// cannot give one of them.
Manifest ask_sums(Connection& connection, const std::string& collect_dir,
                  const std::vector<SourceFile>& files);

/// The names of which the manifest says something else than `sums`; a file that is not among the sums, too.
std::vector<std::string> differences(const Manifest& manifest, const Manifest& sums);

}  // namespace peerstage::peers::staging
