#include "daemon/service/mail.h"

#include <algorithm>
#include <stdexcept>

#include <gmock/gmock.h>

namespace peerstage::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Mail plain{"root", "nightly: ok", "first\nsecond\n",
                 std::chrono::system_clock::time_point(std::chrono::seconds(1795141807))};

std::string header_of(const std::string& message) {
  return message.substr(0, message.find("\n\n") + 1);
}

TEST(Mail, is_a_message_for_sendmail) {
  EXPECT_EQ(compose(plain),
            "To: root\n"
            "Subject: nightly: ok\n"
            "Date: Fri, 20 Nov 2026 02:30:07 +0000\n"
            "MIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=UTF-8\n"
            "Content-Transfer-Encoding: 8bit\n"
            "Auto-Submitted: auto-generated\n"
            "\n"
            "first\n"
            "second\n");
}

struct HeaderCase {
  const char* name;
  std::string text, header;
};

class HeaderText : public ::testing::TestWithParam<HeaderCase> {};

TEST_P(HeaderText, is_encoded_where_it_has_to_be) {
  EXPECT_EQ(header_text(GetParam().text), GetParam().header);
}

INSTANTIATE_TEST_SUITE_P(
    Each, HeaderText,
    ::testing::Values(
        HeaderCase{"plain", "a \\x0a: b", "a \\x0a: b"}, HeaderCase{"umlaut", "\u00e4", "=?UTF-8?B?w6Q=?="},
        HeaderCase{"looks_encoded", "=?x", "=?UTF-8?B?PT94?="},
        HeaderCase{"blank_at_its_end", "a ", "=?UTF-8?B?YSA=?="},
        HeaderCase{
            "no_character_is_cut", std::string(44, 'a') + "\u00e4",
            "=?UTF-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?=\n =?UTF-8?B?w6Q=?="}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(Mail, no_text_makes_a_header_of_its_own) {
  Mail mail = plain;
  mail.subject = "x\r\nBcc: everybody@example.org\n\nbody\xff\x1b[31m";
  const std::string header = header_of(compose(mail));
  EXPECT_THAT(header,
              HasSubstr("Subject: x\\x0d\\x0aBcc: everybody@example.org\\x0a\\x0abody\\xff\\x1b[31m\nDate:"));
  EXPECT_EQ(std::count(header.begin(), header.end(), '\n'), 7);
}

TEST(Mail, an_address_with_a_line_break_is_refused) {
  Mail mail = plain;
  for (const char* address : {"root\nBcc: all", "", "r\u00f6\u00f6t", "root\r"}) {
    mail.to = address;
    EXPECT_THROW(compose(mail), std::invalid_argument) << address;
  }
}

TEST(Mail, what_cannot_be_shown_in_a_body_is_escaped) {
  Mail mail = plain;
  mail.body = "a\x1b[31m\r\nb \\x41 \u00e4";
  EXPECT_TRUE(compose(mail).ends_with("\n\na\\x1b[31m\\x0d\nb \\x41 \u00e4\n"));
}

TEST(Mail, a_line_that_is_too_long_for_mail_is_carried_in_base64) {
  Mail mail = plain;
  mail.body = std::string(2000, 'a') + "\n";
  const std::string message = compose(mail);
  EXPECT_THAT(header_of(message), HasSubstr("Content-Transfer-Encoding: base64\n"));
  std::size_t longest = 0;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t end = message.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  EXPECT_EQ(longest, 76U);
}

TEST(Base64, is_that_of_rfc_4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace peerstage::daemon
