#pragma once

#include <string>
#include <vector>

namespace peerstage::daemon {

/// What brings the tables of the catalog from one version to the next: statements, in their order. Plain SQL
/// as SQLite and PostgreSQL both understand it.
using Migration = std::vector<std::string>;

/// The first makes version 1 of an empty file. What was released is never changed, only added to.
const std::vector<Migration>& migrations();

/// In the header of the file, so that no other program's database is taken for a catalog (PRAGMA
/// application_id; the version is PRAGMA user_version).
inline constexpr int catalog_application_id = 0x70737467;  // "pstg"

}  // namespace peerstage::daemon
