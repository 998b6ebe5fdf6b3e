#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "peers/staging/directory.h"
#include "peers/staging/survey.h"

namespace peerstage::peers::staging {

/// Times of files are whole seconds in SFTP and clock ticks here: a file that changed less than this ago may
/// change again without its mtime showing it.
inline constexpr auto racy_window = std::chrono::seconds(2);

/// A day of the calendar, local time.
using Date = std::chrono::year_month_day;

/// Where the files of one peer are received: STAGING/.peerstage/PEER/. Flat, with names that say what is in
/// them, so that a later run finds what an interrupted one left:
///
///     <32 hex digits>         a file, or the beginning of one; the digits are of name_of()
///     boot.<boot id>          the boot in which all of it was written (what was never synced died with it)
///     publishing.YYYY-MM-DD   a tree is being built or exchanged in that day
///
/// Facts are in names, not in contents, because a file system keeps the order of names over a power cut.
class Spool {
 public:
  /// Makes it when there is none; what another boot left of files is discarded.
  static Spool open(const Directory& spools, const std::string& peer, const std::optional<Ownership>& owner);
  /// Absent: there is none.
  static std::optional<Spool> find(const Directory& spools, const std::string& peer,
                                   const std::optional<Ownership>& owner);

  /// The name for a file of this path, size and mtime.
  static std::string name_of(const SourceFile& file);

  const Directory& directory() const { return directory_; }

  /// How much of each wanted file (by name) is there, from its beginning, in bytes. Everything else is
  /// discarded: files that are not wanted, that we did not make, or that may be the beginning of another
  /// version. A file system that does not tell when a file was born (statx(2)) gives no way to know that.
  std::map<std::string, std::uint64_t> take_stock(
      const std::map<std::string, const SourceFile*>& wanted) const;
  void discard(const std::string& name) const { directory_.unlink(name); }
  void discard_all() const { take_stock({}); }
  /// Discards the files of another boot.
  void forget_other_boots() const;

  void note_publishing(Date day) const;
  void forget_publishing(Date day) const;
  std::vector<Date> publishing() const;

  /// Removes all that is ours in it, then the directory if nothing else is there. False: something else is
  /// there.
  bool remove() const;

 private:
  Spool(Directory directory, const Directory& spools, std::string peer,
        const std::optional<Ownership>& owner);

  bool made_by_us(const struct stat& status) const;
  std::optional<std::uint64_t> usable_length(const std::string& name, const SourceFile& file) const;
  bool begun_too_early(const std::string& name, std::chrono::nanoseconds source_modified) const;

  Directory directory_;
  Directory spools_;
  std::string peer_;
  std::optional<Ownership> owner_;
};

}  // namespace peerstage::peers::staging
