#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <soci/soci.h>
#include <string>
#include <vector>

#include "daemon/catalog/catalog.h"
#include "daemon/catalog/run_rows.h"

/// The files of peers' days, in the tables of the catalog. As run_rows.h.
namespace peerstage::daemon {

/// Adds to the tree that a run tells of a peer's day; it begins with the first file.
void add_to_tree(soci::session& sql, RunNumber run, const std::string& peer,
                 const std::vector<WorkFile>& files);
/// What the run has told of that peer and is not complete, is void.
void drop_told_tree(soci::session& sql, RunNumber run, const std::string& peer);
/// The run stopped, or lost sight of what it did: what it has told is void, and so is what was known of the
/// days of peers that were at work.
void forget_doubtful_trees(soci::session& sql, RunNumber run);
/// What the run has told, if anything, becomes the peer's day, in place of what was.
void complete_tree(soci::session& sql, RunNumber run, const std::string& peer);
/// Nothing is known of that day any more.
void forget_tree(soci::session& sql, const std::string& peer, const std::string& date);

std::optional<std::vector<WorkFile>> read_tree(soci::session& sql, const std::string& peer,
                                               const std::string& date);
bool has_tree(soci::session& sql, const std::string& peer, const std::string& date);
std::vector<CatalogedDay> read_days(soci::session& sql);

}  // namespace peerstage::daemon
