#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace peerstage::peers::staging {

/// Hands over a file from its beginning, `length` bytes of it, in pieces. `shown` names it in the PeerError
/// for a file that cannot be read or is shorter.
void read_pieces(int file, std::uint64_t length, const std::string& shown,
                 const std::function<void(std::span<const std::byte>)>& take);

/// The content of a file, which is an error when it is longer than `limit`.
std::string read_whole(int file, std::size_t limit, const std::string& shown);

}  // namespace peerstage::peers::staging
