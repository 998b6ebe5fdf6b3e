#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace peerstage::daemon {

/// A message for a person.
struct Mail {
  std::string to;       ///< one or more addresses, as a To: header has them
  std::string subject;  ///< any text
  std::string body;     ///< lines of any text
  std::chrono::system_clock::time_point date;
};

/// The message as `sendmail -t -i` reads it (RFC 5322, with plain line feeds). Sender and Message-ID are left
/// to sendmail. Whatever the texts contain, they make no header line of their own: what is not printable is
/// escaped, the subject is an encoded word where it has to be (RFC 2047), lines that are too long for mail
/// are carried in base64. Throws std::invalid_argument for an address that is not plain ASCII text.
std::string compose(const Mail& mail);

/// A text as the value of an unstructured header, in as many encoded words as it takes when it is not plain
/// ASCII. The text is one printable line.
std::string header_text(std::string_view text);

std::string base64(std::string_view bytes);

}  // namespace peerstage::daemon
