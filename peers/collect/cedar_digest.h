#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "peers/collect/archive.h"

namespace peerstage::peers::collect {

/// How long a digest of Cedar Backup may be that we read, in bytes.
inline constexpr std::size_t longest_cedar_digest = 1U << 30U;

/// Reads the state of an incremental item as Cedar Backup keeps it (NAME.sha): a pickle of protocol 0 that
/// holds one dictionary from path to SHA-1. Only the opcodes that such a file consists of are known, and none
/// of them does anything but make a string or fill the dictionary: unlike Python's reader this one can run
/// nothing.
///
/// `take` hears of each path, as the bytes that the file system has (Python's surrogateescape undone).
/// Returns why the text is no such digest, after what was good of it has been told; absent: all of it is
/// good.
std::optional<std::string> read_cedar_digest(
    std::string_view text, const std::function<void(const std::string& path, const ContentSum& sum)>& take);

}  // namespace peerstage::peers::collect
