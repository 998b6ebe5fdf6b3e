#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The one place where bytes that we did not choose become text that a person may see (a file name, a
/// server's message, a line of a command's output).
namespace peerstage::peers {

/// Escapes so that the result is valid UTF-8 on one line, without control characters (C0, DEL, C1), without
/// characters that change the direction of text, and reversible: `\\` is a backslash and `\xHH` a byte that
/// is not part of valid UTF-8 or that must not be shown.
std::string printable(std::string_view bytes);

/// The first `limit` bytes of `printable(bytes)`, no character or escape cut; where that is not all of it, "…
/// (N bytes more)" follows, which counts the bytes of the original that are not shown. Not reversible then.
std::string printable(std::string_view bytes, std::size_t limit);

/// "1 file", "0 files": for things whose plural has an s.
std::string counted(std::uint64_t number, std::string_view thing);

}  // namespace peerstage::peers
