#pragma once

#include <string>

struct archive_entry;

namespace peerstage::peers::collect {

/// Puts the extended attributes of a file into its archive member, POSIX ACLs as such. What the file system
/// has none of, or does not let us read, is left out.
void add_attributes_of(int file, archive_entry* member);
/// Of a path itself, not of what a link points to.
void add_attributes_of(const std::string& path, archive_entry* member);

}  // namespace peerstage::peers::collect
