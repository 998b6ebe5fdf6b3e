#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/units.h"

/// The text of one element, turned into a value. Each function takes valid UTF-8 that is not empty and throws
/// BadValue for a text that it does not accept.
namespace peerstage::config {

/// The message completes a sentence of which the value is the subject: "must be ...".
class BadValue : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A value as a message shows it: in quotes, on one line, not too long.
std::string quoted(const std::string& text);

// --- as Cedar Backup reads them

std::string as_text(const std::string& text);  ///< any text, never trimmed
/// What Python's int() reads: sign, white space around, single underscores between digits, digits of any
/// script. A value beyond 64 bits becomes the nearest that fits.
std::int64_t as_integer(const std::string& text);
std::int64_t as_count(const std::string& text);     ///< an integer, 0 or more
std::int64_t as_positive(const std::string& text);  ///< an integer, 1 or more
bool as_boolean(const std::string& text);           ///< Y, y, N or n
std::string as_absolute_path(const std::string& text);
std::string as_action_name(const std::string& text);  ///< lower-case letters and digits
std::vector<std::string> as_action_names(
    const std::string& text);                           ///< separated by commas, trimmed, empty ones dropped
std::string as_python_module(const std::string& text);  ///< identifiers joined by dots
std::string as_python_identifier(const std::string& text);
std::string as_scsi_id(const std::string& text);
std::string as_blanking_factor(const std::string& text);  ///< what Python's float() reads, not negative
std::string as_pattern(const std::string& text);          ///< what Python's re compiles

// --- of our own; nothing may stand around them

/// A whole number and a unit: ms, s, m, h or d. A bare 0 is allowed.
std::chrono::milliseconds as_duration(const std::string& text);
/// A whole number, then KB, MB, GB or TB (powers of 1024), with a blank before it or not, or no unit for
/// bytes.
ByteCount as_size(const std::string& text);
MinimumFree as_minimum_free(const std::string& text);  ///< a percentage below 100, or a size
FileMode as_file_mode(const std::string& text);        ///< octal, 0 to 777
Port as_port(const std::string& text);
Sudo as_sudo(const std::string& text);  ///< never or passwordless
std::string as_peer_name(
    const std::string& text);  ///< [A-Za-z0-9][A-Za-z0-9._-]*, up to 255 bytes, not cback.*
std::string as_group_name(const std::string& text);   ///< the same letters
std::string as_address(const std::string& text);      ///< a host name or an IP address
std::string as_user_path(const std::string& text);    ///< absolute, or beginning with ~
std::string as_config_file(const std::string& text);  ///< the same, or "none"
std::string as_algorithms(const std::string& text);   ///< names separated by commas

/// A whole number from a range.
struct AsNumber {
  unsigned first, last;
  unsigned operator()(const std::string& text) const;
};

/// A duration from a range.
struct AsDuration {
  std::chrono::milliseconds first, last;
  std::chrono::milliseconds operator()(const std::string& text) const;
};

/// One of a few words, letter for letter.
template <typename Value>
struct AsOneOf {
  std::vector<std::pair<const char*, Value>> words;

  Value operator()(const std::string& text) const {
    std::string all;
    for (const auto& [word, value] : words) {
      if (text == word) return value;
      all += (all.empty() ? "" : ", ") + std::string(word);
    }
    throw BadValue("must be one of " + all);
  }
};

}  // namespace peerstage::config
