#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "peers/descriptor.h"
#include "peers/staging/directory.h"
#include "peers/staging/hash.h"

/// The files in which a collect remembers something: lines of text with a version at the beginning and, at
/// the end, the sum of all that stands before, so that a torn or edited one is noticed. docs/collect.md
/// describes them.
namespace peerstage::peers::collect {

/// A new file on its way to replace one of that name. Nothing of that name is touched before `commit`; not
/// committed, nothing is left. PeerError for what the directory or the disk refuses. One at a time in a
/// directory.
class SealedWriter {
 public:
  /// `where` has to outlive it. `first_line` says what it is and which version of it.
  SealedWriter(const staging::Directory& where, std::string name,
               const std::optional<staging::Ownership>& owner, std::string_view first_line);
  ~SealedWriter();
  SealedWriter(const SealedWriter&) = delete;
  SealedWriter& operator=(const SealedWriter&) = delete;

  void line(std::string_view text);
  /// Seals it, makes it durable and gives it its name.
  void commit();

 private:
  void flush();

  const staging::Directory& where_;
  std::string name_;
  std::string shown_;
  Descriptor file_;
  std::string waiting_;
  staging::Sha256 sum_;
};

/// What the temporary file of a SealedWriter is called: one that a crash left may be removed.
inline constexpr const char* unsealed_name = "peerstage.new";

/// The lines between the first one and the seal. Absent: there is no such file. PeerError for one that cannot
/// be read, is longer than `limit` bytes, begins otherwise or is not whole.
class SealedText {
 public:
  static std::optional<SealedText> read(const staging::Directory& where, const std::string& name,
                                        std::string_view first_line, std::size_t limit);

  /// The next line. Absent: it was the last.
  std::optional<std::string_view> next();
  /// For who finds that a line means nothing. The number of the line is that of the last one told.
  [[noreturn]] void refuse_line(const std::string& why) const;

 private:
  SealedText(std::string text, std::string shown) : text_(std::move(text)), shown_(std::move(shown)) {}

  std::string text_;
  std::string shown_;
  std::size_t at_ = 0, end_ = 0;
  std::size_t number_ = 0;
};

/// Bytes of a name as they stand in such a file, on one line and with no blank at either end that is not
/// theirs: a backslash is `\\`, and control characters and bytes that are no UTF-8 are `\xHH` (see
/// printable).
std::string escaped_name(std::string_view bytes);
/// The way back. Absent for what `escaped_name` does not write.
std::optional<std::string> unescaped_name(std::string_view text);

/// The words of a line in turn.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}
  /// Up to the next blank; empty when there is nothing left.
  std::string_view next();
  std::string_view rest() const { return rest_; }
  /// A number, all of the word. Absent for anything else.
  template <typename Number>
  std::optional<Number> number(int base = 10);

 private:
  std::string_view rest_;
};

extern template std::optional<std::uint64_t> Words::number<std::uint64_t>(int);
extern template std::optional<std::int64_t> Words::number<std::int64_t>(int);
extern template std::optional<std::uint32_t> Words::number<std::uint32_t>(int);

}  // namespace peerstage::peers::collect
