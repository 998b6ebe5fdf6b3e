#include <algorithm>
#include <optional>

#include "daemon/actions/output_lines.h"
#include "daemon/one_line.h"
#include "daemon/service/mail.h"
#include "peers/collect/sealed_text.h"
#include "peers/collect/tree.h"
#include "peers/failure.h"
#include "peers/shell_words.h"
#include "peers/staging/relative_path.h"
#include "peers/staging/source_tag.h"
#include "peers/text.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// Bytes of a name, or what a program or a server said: a byte for a limit, and the bytes.

namespace peerstage::fuzz {
namespace {

using namespace peers;

unsigned hexadecimal(char digit) {
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/// The way back from `printable`, as its header describes it.
std::string unprinted(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes += text[at];
    } else if (text.at(at + 1) == '\\') {
      bytes += text[++at];
    } else {
      expect(text.at(at + 1) == 'x', "a backslash begins an escape");
      bytes += static_cast<char>(hexadecimal(text.at(at + 2)) * 16 + hexadecimal(text.at(at + 3)));
      at += 3;
    }
  }
  return bytes;
}

void check_printable(std::string_view bytes, std::size_t limit) {
  const std::string text = printable(bytes);
  expect(is_safe_line(text), "printable text can be printed");
  expect(unprinted(text) == bytes, "printable text is reversible");
  const std::string cut = printable(bytes, limit);
  if (text.size() <= limit) return expect(cut == text, "a text that is not too long is not cut");
  const std::size_t end = cut.rfind("… (");
  expect(end != std::string::npos && end <= limit && text.starts_with(cut.substr(0, end)),
         "a text that is cut is the beginning of the whole");
  const std::size_t shown = unprinted(std::string_view(cut).substr(0, end)).size();
  expect(cut.substr(end) == "… (" + std::to_string(bytes.size() - shown) + " bytes more)",
         "a text that is cut says how much is missing");
}

void check_names(std::string_view bytes) {
  try {
    const staging::EntryName name(bytes);
    expect(name.bytes() == bytes && !bytes.empty() && bytes.size() <= 255, "a name is what it was made of");
    expect(bytes != "." && bytes != ".." && bytes.find('/') == std::string_view::npos,
           "a name is one of an entry");
    expect(std::ranges::none_of(bytes, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }),
           "a name has no control characters");
  } catch (const PeerError& error) {
    expect(is_safe_line(error.what()), "the sentence about a name can be printed");
  }
  try {
    const auto path = staging::RelativePath::parse(bytes);
    expect(path.bytes() == bytes && bytes.size() < 4096, "a path is what it was made of");
    expect(staging::EntryName(path.name()).bytes() == path.name(), "the end of a path is a name");
    const auto child = path.child(staging::EntryName("child"));
    expect(child.name() == "child" && child.bytes().size() < 4096, "a child is below its path");
  } catch (const PeerError& error) {
    expect(is_safe_line(error.what()), "the sentence about a path can be printed");
  }
}

void check_escaped(std::string_view bytes) {
  const std::string line = collect::escaped_name(bytes);
  expect(line.find('\n') == std::string::npos, "an escaped name is on one line");
  expect(collect::unescaped_name(line) == bytes, "an escaped name reads as it was");
  if (const auto name = collect::unescaped_name(bytes))
    expect(collect::unescaped_name(collect::escaped_name(*name)) == name, "what was read can be written");
  const std::string archive = collect::archive_name("/" + std::string(bytes));
  expect(archive.find('/') == std::string::npos && archive != "." && archive != "..",
         "an archive is one name");
}

void check_lines(std::string_view bytes, std::size_t piece) {
  expect(is_safe_line(daemon::one_line(bytes)), "one line can be printed");
  std::size_t most = 0;
  daemon::OutputLines lines([&](const std::string& line) {
    expect(is_safe_line(line), "a line of a program can be printed");
    most = std::max(most, line.size());
  });
  for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
    lines.hear(rest.substr(0, piece));
  lines.finish();
  expect(most <= daemon::OutputLines::longest * 4 && lines.last().size() <= daemon::OutputLines::kept,
         "what is kept of a program's words is bounded");
}

void check_mail(std::string_view bytes) {
  const std::string header = daemon::header_text(printable(bytes));
  for (std::size_t at = header.find('\n'); at != std::string::npos; at = header.find('\n', at + 1))
    expect(header.substr(at + 1, 1) == " ", "a header is not ended by what it says");
  const std::string text(bytes);
  const std::string mail = daemon::compose({"root", text, text, {}});
  const std::string bare = daemon::compose({"root", "", "", {}});
  const auto headers = [](const std::string& message) {
    std::string_view head = std::string_view(message).substr(0, message.find("\n\n"));
    std::ptrdiff_t count = 1;
    for (std::size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1))
      if (head.at(at + 1) != ' ') ++count;
    return count;
  };
  expect(headers(mail) <= headers(bare) + 1, "a text makes no header of its own");
  for (std::string_view rest = mail; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    expect(end <= 998, "a line of a mail is not too long");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

/// What sh makes of a line in which nothing but quotes and backslashes has a meaning.
std::vector<std::string> words_of_shell(std::string_view line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '\'') {
      quoted = !quoted;
    } else if (quoted) {
      words.back() += c;
    } else if (c == '\\') {
      words.back() += line.at(++at);
    } else if (c == ' ') {
      words.emplace_back();
    } else {
      expect((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("_-./,:=@%+").find(c) != std::string_view::npos,
             "what means something to a shell is quoted");
      words.back() += c;
    }
  }
  expect(!quoted, "a quote is closed");
  return words;
}

/// What printf(1) makes of a format.
std::string printed(std::string_view format) {
  std::string text;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] == '%') {
      expect(format.at(++at) == '%', "a format has no arguments");
      text += '%';
    } else if (format[at] == '\\') {
      const std::string digits(format.substr(at + 1, 3));
      expect(digits.size() == 3 && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '7'; }),
             "an escape has three digits");
      text += static_cast<char>(std::stoi(digits, nullptr, 8));
      at += 3;
    } else {
      text += format[at];
    }
  }
  return text;
}

void check_shell_words(std::string_view bytes) try {
  const std::vector<std::string> words{"echo", std::string(bytes),
                                       std::string(bytes.substr(0, bytes.size() / 2))};
  expect(words_of_shell(posix_words(words)) == words, "sh reads the words that were meant");
  const std::string line = shell_words(words);
  if (!line.starts_with("sh -c "))
    return expect(words_of_shell(line) == words, "a shell reads the words that were meant");
  expect(line.find_first_of("\n\r") == std::string::npos, "no shell sees the end of a line");
  expect(words_of_shell(printed(words_of_shell(line).at(4))) == words,
         "sh reads the words that were meant of a format");
} catch (const PeerError&) {
  expect(bytes.find('\0') != std::string_view::npos, "only NUL cannot be said to a shell");
}

void check_tag(std::string_view bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto tag = staging::SourceTag::decode({data, bytes.size()});
  if (!tag) return;
  const auto encoded = tag->encode();
  expect(std::ranges::equal(encoded, std::span(data, bytes.size())), "a tag that is written is as it was");
}

void run(std::string_view input) {
  Choices choices(input);
  const std::size_t limit = choices.byte() + std::size_t{1};
  const std::string_view bytes = choices.rest();
  check_printable(bytes, limit);
  check_names(bytes);
  check_escaped(bytes);
  check_lines(bytes, limit);
  check_mail(bytes);
  check_shell_words(bytes);
  check_tag(bytes);
}

const Target target("text", run);

}  // namespace
}  // namespace peerstage::fuzz
