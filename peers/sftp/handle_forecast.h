#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peerstage::peers::sftp {

/// Knows the handle of a file before the server has told it, so that a file is read in the round trip in
/// which it is opened. An OpenSSH server carries requests out one after another, and a handle of it is the
/// number of a slot in four bytes; what is opened takes the slot that was freed last, or else a new one
/// (handle_new() in sftp-server.c).
///
/// A server that does it otherwise, or a request that failed, shows in an answer; from then on nothing is
/// foretold. Whoever uses a handle that was foretold has to wait for that answer before he believes what came
/// of it.
class HandleForecast {
 public:
  using Slot = std::uint32_t;

  /// What opens a file or a directory goes out. Returns what to tell `opened`.
  Slot opening();
  /// What closes this handle goes out.
  void closing(std::string_view handle);

  /// The answer to the request for which `opening` returned `slot`.
  void opened(Slot slot, std::string_view handle);
  /// The same for a refusal: all that went out behind it is foretold wrongly.
  void refused() { is_wrong_ = true; }

  /// Whether what `opening` says can be relied upon: it was right before, and never wrong.
  bool is_reliable() const { return was_right_ && !is_wrong_; }
  static std::string handle_of(Slot slot);

 private:
  static std::optional<Slot> slot_of(std::string_view handle);

  std::vector<Slot> free_;  ///< the one that was freed last is at the end
  Slot slots_ = 0;
  bool was_right_ = false, is_wrong_ = false;
};

}  // namespace peerstage::peers::sftp
