#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"

/// What the catalog can learn from the disk. Nothing below the staging directory is changed, and every step
/// goes through descriptors and follows no link: who owns the days is not believed.
namespace peerstage::daemon {

struct RebuildReport {
  std::uint64_t peer_days = 0;        ///< that were added: the day of one peer each
  std::uint64_t files = 0;            ///< of these
  std::vector<std::string> problems;  ///< what could not be read, one sentence each, at most a hundred
  std::uint64_t problems_unlisted = 0;
};

/// Adds what the manifests tell of days whose files the catalog does not know: to the run that staged them if
/// that is known, else to a run of its own for each day, `rebuilt-DATE`, which lasted from the first peer's
/// publication to the last one's. What a run that is not over has still before itself is left to that run.
///
/// May take long (it looks at every file of the days that it adds) and may be killed at any time: what was
/// added is whole, and another call goes on from there. Others may write meanwhile: it writes a thousand
/// files at a time, and what a run has told by then wins. In a child process: see Catalog about forks. Throws
/// CatalogError when the catalog fails, else nothing: what it cannot read it tells and passes over.
RebuildReport rebuild_catalog(Catalog& catalog, const std::string& staging_dir);

/// Keeps the catalog from growing for ever: forgets the files of days that are gone from the disk, and runs
/// that are older than two years. Where no day at all is found nothing is forgotten: the disk may be absent.
/// Returns the number of days (of one peer each) whose files it forgot. As rebuild_catalog otherwise.
std::uint64_t tidy_catalog(Catalog& catalog, const std::string& staging_dir,
                           std::chrono::system_clock::time_point now);

}  // namespace peerstage::daemon
