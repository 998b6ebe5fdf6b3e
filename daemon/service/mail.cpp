#include "daemon/service/mail.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <stdexcept>

#include "daemon/one_line.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

constexpr std::size_t longest_plain_line =
    900;                                        // RFC 5322 allows 998 bytes, a reply puts something before it
constexpr std::size_t longest_subject = 300;    // a subject is for a list of messages
constexpr std::size_t encoded_word_bytes = 45;  // 60 of base64: an encoded word has 75 characters at most
constexpr std::size_t base64_line_bytes = 57;   // 76 of base64, RFC 2045

bool is_plain(char c) {
  return c >= ' ' && c <= '~';
}

bool needs_encoding(std::string_view text) {
  return !std::ranges::all_of(text, is_plain) || text.find("=?") != std::string_view::npos ||
         text.size() > longest_plain_line || text.starts_with(' ') || text.ends_with(' ');
}

/// The first `limit` bytes at most, no character of UTF-8 cut.
std::string_view beginning(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end > 0 ? end : limit);
}

/// In the C locale, whatever the program's is; in UTC.
std::string date_text(std::chrono::system_clock::time_point when) {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                days.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                months.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900, parts.tm_hour,
                parts.tm_min, parts.tm_sec);
  return text.data();
}

struct Body {
  std::string text;
  std::size_t longest_line = 0;
};

Body printable_lines(std::string_view text) {
  Body body;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = one_line(text.substr(0, end));
    body.longest_line = std::max(body.longest_line, line.size());
    body.text += line + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return body;
}

std::string in_base64_lines(std::string_view text) {
  std::string lines;
  for (; !text.empty(); text.remove_prefix(std::min(base64_line_bytes, text.size())))
    lines += base64(text.substr(0, base64_line_bytes)) + "\n";
  return lines;
}

}  // namespace

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(3, bytes.size()))) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= bytes.size() ? digits[group >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

std::string header_text(std::string_view text) {
  if (!needs_encoding(text)) return std::string(text);
  std::string words;
  while (!text.empty()) {
    const std::string_view part = beginning(text, encoded_word_bytes);
    words += (words.empty() ? "=?UTF-8?B?" : "\n =?UTF-8?B?") + base64(part) + "?=";
    text.remove_prefix(part.size());
  }
  return words;
}

std::string compose(const Mail& mail) {
  if (mail.to.empty() || !std::ranges::all_of(mail.to, is_plain)) {
    throw std::invalid_argument("the mail address " + peers::printable(mail.to, 200) +
                                " is not plain ASCII text");
  }
  const Body body = printable_lines(mail.body);
  const bool long_lines = body.longest_line > longest_plain_line;
  const std::string subject = one_line(beginning(mail.subject, longest_subject));
  return "To: " + mail.to + "\nSubject: " + header_text(subject) + "\nDate: " + date_text(mail.date) +
         "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: " +
         (long_lines ? "base64" : "8bit") + "\nAuto-Submitted: auto-generated\n\n" +
         (long_lines ? in_base64_lines(body.text) : body.text);
}

}  // namespace peerstage::daemon
