#include "peers/collect/archive.h"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cerrno>
#include <climits>
#include <clocale>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "peers/collect/archive_file.h"
#include "peers/collect/content_hash.h"
#include "peers/collect/digest.h"
#include "peers/collect/extended_attributes.h"
#include "peers/collect/holes.h"
#include "peers/collect/owner_names.h"
#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/text.h"

namespace peerstage::peers::collect {
namespace {

using Outcome = Archived::Outcome;

/// libarchive asks the locale what names are made of. In that of the program, which may be "C", it would mark
/// each name beyond ASCII as one of unknown characters, and GNU tar would warn about each.
class Utf8Names {
 public:
  Utf8Names() : before_(::uselocale(utf8())) {}
  ~Utf8Names() { ::uselocale(before_); }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  /// None (nothing changes then) where the C library lacks it.
  static locale_t utf8() {
    static const locale_t found = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    return found;
  }
  locale_t before_;
};

/// "/etc/x" becomes "etc/x".
std::string member_name(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "." : path.substr(start);
}

Descriptor open_file(const EntryLocation& at) {
  // O_NONBLOCK: it may have become a FIFO, which must not hold us.
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file = open_at(at.directory, at.name, flags | O_NOATIME);
  if (!file && errno == EPERM) file = open_at(at.directory, at.name, flags);
  return file;
}

/// As much as there is, at most what fits.
ssize_t read_at(int file, std::span<std::byte> buffer, std::uint64_t offset) {
  for (;;) {
    const ssize_t got = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (got >= 0 || errno != EINTR) return got;
  }
}

Archived unreadable(int error, const TreeEntry& entry) {
  return {Outcome::unreadable, system_error("cannot read " + printable(entry.path), error).what(), {}};
}

/// Whether the entry is still where it was found. In doubt it is.
bool still_stands(const TreeEntry& entry) {
  const EntryLocation at = location_of(entry);
  struct stat now {};
  if (::fstatat(at.directory, at.name, &now, AT_SYMLINK_NOFOLLOW) != 0)
    return errno != ENOENT && errno != ENOTDIR;
  const struct stat& found = entry.status;
  return now.st_dev == found.st_dev && now.st_ino == found.st_ino &&
         (now.st_mode & S_IFMT) == (found.st_mode & S_IFMT);
}

/// What could not be opened. The error alone does not tell why: some file systems and drivers have the same
/// ones for a file that has gone bad.
Archived not_archived(int error, const TreeEntry& entry) {
  if (still_stands(entry)) return unreadable(error, entry);
  return {Outcome::vanished, printable(entry.path) + " is not what it was any more", {}};
}

bool is_untouched(const struct stat& before, const struct stat& after) {
  return before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
         before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

}  // namespace

/// libarchive's writer with the file behind it.
class Archive::Writer {
 public:
  Writer(const staging::Directory& where, std::string name, const Options& options)
      : options_(options),
        name_(std::move(name)),
        shown_(where.shown(name_)),
        file_(where, name_),
        archive_(archive_write_new()),
        member_(archive_entry_new()),
        buffer_(piece) {
    if (!archive_ || !member_) throw std::bad_alloc();
    const Utf8Names names;
    choose_format();
    choose_compression();
    // Our own buffer is behind it.
    archive_write_set_bytes_per_block(archive_.get(), 0);
    check(archive_write_open(archive_.get(), this, nullptr, &Writer::take, nullptr));
  }

  /// Freeing it closes it first, which would write the end of an archive that nobody wants.
  /// archive_write_fail(3) avoids that, too, but loses what libarchive 3.6 holds for its filters.
  ~Writer() { is_abandoned_ = true; }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Archived add(const TreeEntry& entry) {
    const Utf8Names names;
    if (S_ISREG(entry.status.st_mode)) return add_file(entry);
    if (S_ISLNK(entry.status.st_mode)) return add_link(entry);
    if (S_ISDIR(entry.status.st_mode)) return add_directory(entry);
    return {Outcome::unreadable, printable(entry.path) + " is nothing that an archive can hold", {}};
  }

  bool empty() const { return entries_ == 0; }

  Committed commit() {
    const Utf8Names names;
    check(archive_write_close(archive_.get()));
    const ArchiveFile::Content content = file_.finish();
    file_.publish(options_.owner, options_.permissions);
    return {name_, content.size, content.sum, entries_};
  }

 private:
  static constexpr std::size_t piece = 256U << 10U;

  bool is_whole() const { return options_.content == config::ArchiveContent::whole; }

  void choose_format() {
    if (is_whole()) {
      check(archive_write_set_format_pax(archive_.get()));
      // The other kind is libarchive's own, and GNU tar warns about it.
      check(archive_write_set_format_option(archive_.get(), "pax", "xattrheader", "SCHILY"));
    } else {
      check(archive_write_set_format_gnutar(archive_.get()));
    }
  }

  void choose_compression() {
    archive* const writer = archive_.get();
    switch (options_.mode) {
      case config::ArchiveMode::tar:
        return;
      case config::ArchiveMode::targz:
        check(archive_write_add_filter_gzip(writer));
        check(archive_write_set_filter_option(writer, "gzip", "timestamp", nullptr));
        return;
      case config::ArchiveMode::tarbz2:
        return check(archive_write_add_filter_bzip2(writer));
      case config::ArchiveMode::tarzst:
        check(archive_write_add_filter_zstd(writer));
        // One that does the work beside ours; a library without threads says no, and does it here.
        archive_write_set_filter_option(writer, "zstd", "threads", "1");
        return;
    }
  }

  /// What libarchive did not take. A failure of the disk comes as the error that it was.
  void check(int result) {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      const char* why = archive_error_string(archive_.get());
      throw PeerError(FailureKind::permanent, "cannot write " + shown_ + ": " +
                                                  printable(why != nullptr ? why : "libarchive failed"));
    }
  }

  static la_ssize_t take(archive* writer, void* self, const void* bytes, std::size_t size) {
    auto* const own = static_cast<Writer*>(self);
    if (own->is_abandoned_) return -1;
    try {
      own->file_.write({static_cast<const std::byte*>(bytes), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      own->failure_ = std::current_exception();
      archive_set_error(writer, EIO, "the file could not be written");
      return -1;
    }
  }

  // --- members

  void describe(const TreeEntry& entry, const struct stat& status) {
    archive_entry* const member = member_.get();
    archive_entry_clear(member);
    archive_entry_copy_pathname(member, member_name(entry.path).c_str());
    archive_entry_set_mode(member, status.st_mode);
    archive_entry_set_uid(member, status.st_uid);
    archive_entry_set_gid(member, status.st_gid);
    archive_entry_copy_uname(member, user_name(status.st_uid).c_str());
    archive_entry_copy_gname(member, group_name(status.st_gid).c_str());
    archive_entry_set_mtime(member, status.st_mtim.tv_sec, is_whole() ? status.st_mtim.tv_nsec : 0);
    archive_entry_set_size(member, S_ISREG(status.st_mode) ? status.st_size : 0);
  }

  /// Nothing: it is written. Else why libarchive cannot say it in this format.
  std::optional<Archived> write_header(const TreeEntry& entry) {
    const int result = archive_write_header(archive_.get(), member_.get());
    if (result == ARCHIVE_FAILED) {
      return Archived{
          Outcome::unreadable,
          "cannot archive " + printable(entry.path) + ": " + printable(archive_error_string(archive_.get())),
          {}};
    }
    check(result);
    ++entries_;
    return std::nullopt;
  }

  Archived add_directory(const TreeEntry& entry) {
    if (!is_whole()) return {};
    describe(entry, entry.status);
    if (entry.opened >= 0) {
      add_attributes_of(entry.opened, member_.get());
    } else {
      add_attributes_of(entry.is_followed_link ? entry.path + "/." : entry.path, member_.get());
    }
    return write_header(entry).value_or(Archived{});
  }

  Archived add_link(const TreeEntry& entry) {
    const EntryLocation at = location_of(entry);
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlinkat(at.directory, at.name, target.data(), target.size() - 1);
    if (length < 0) return not_archived(errno, entry);
    describe(entry, entry.status);
    archive_entry_copy_symlink(member_.get(), target.data());
    if (is_whole()) {
      const std::string path = at.directory == AT_FDCWD
                                   ? entry.path
                                   : "/proc/self/fd/" + std::to_string(at.directory) + "/" + at.name;
      add_attributes_of(path, member_.get());
    }
    return write_header(entry).value_or(Archived{});
  }

  // --- regular files

  /// What was archived of a file that has several names.
  struct FirstName {
    std::string member;
    FileStamp stamp;  ///< of the content that is in the archive
    std::optional<ContentSum> sum;
    nlink_t left;  ///< how many names may still come
  };
  using Inode = std::pair<dev_t, ino_t>;

  std::optional<Archived> add_hard_link(const TreeEntry& entry) {
    const auto first = first_names_.find({entry.status.st_dev, entry.status.st_ino});
    if (first == first_names_.end() || first->second.member == member_name(entry.path)) return std::nullopt;
    // Written to since: this name is not one for what is in the archive.
    if (first->second.stamp != FileStamp::of(entry.status)) return std::nullopt;
    describe(entry, entry.status);
    archive_entry_copy_hardlink(member_.get(), first->second.member.c_str());
    archive_entry_unset_size(member_.get());
    Archived archived = write_header(entry).value_or(Archived{});
    if (archived.outcome == Outcome::whole) archived.sum = first->second.sum;
    if (--first->second.left == 0) first_names_.erase(first);
    return archived;
  }

  Archived add_file(const TreeEntry& entry) {
    if (entry.status.st_nlink > 1) {
      if (auto archived = add_hard_link(entry)) return *archived;
    }
    const Descriptor file = open_file(location_of(entry));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return not_archived(errno, entry);
    if (!S_ISREG(status.st_mode)) return not_archived(ELOOP, entry);
    Archived archived = add_content(entry, file.get(), status);
    if (status.st_nlink > 1 && archived.outcome == Outcome::whole) {
      first_names_.insert_or_assign(
          Inode{status.st_dev, status.st_ino},
          FirstName{member_name(entry.path), FileStamp::of(status), archived.sum, status.st_nlink - 1});
    }
    return archived;
  }

  /// Why a member does not hold what the file does.
  struct Fault {
    Outcome outcome = Outcome::whole;
    std::string sentence;
  };

  Archived add_content(const TreeEntry& entry, int file, struct stat status) {
    if (options_.sum_contents) hash_.begin();
    const std::vector<Extent> data = is_whole() ? data_with_holes(file, status) : std::vector<Extent>{};
    auto size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t start = 0;
    Fault fault;
    describe(entry, status);
    if (data.empty()) {
      // The first piece is read before anything is written, so that a file that cannot be read is not in the
      // archive, and most files are whole whatever happens to them.
      const ssize_t got = read_piece(file, 0, size);
      if (got < 0) return unreadable(errno, entry);
      start = static_cast<std::uint64_t>(got);
      if (start < size && start < piece) {
        size = start;
        archive_entry_set_size(member_.get(), static_cast<la_int64_t>(size));
      }
    }
    for (const Extent& extent : data) {
      archive_entry_sparse_add_entry(member_.get(), static_cast<la_int64_t>(extent.offset),
                                     static_cast<la_int64_t>(extent.size));
    }
    if (is_whole()) add_attributes_of(file, member_.get());
    if (auto refused = write_header(entry)) return *refused;
    if (data.empty()) {
      put({buffer_.data(), start});
      fault = copy(file, start, size);
    } else {
      fault = copy_extents(file, data, size);
    }
    check(archive_write_finish_entry(archive_.get()));
    return judged(entry, file, status, fault);
  }

  /// Fills the buffer from a file. Fewer bytes than wanted and than fit: its end.
  ssize_t read_piece(int file, std::uint64_t offset, std::uint64_t wanted) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(piece, wanted));
    std::size_t filled = 0;
    while (filled < most) {
      const ssize_t got = read_at(file, {buffer_.data() + filled, most - filled}, offset + filled);
      if (got < 0) return got;
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(filled);
  }

  void put(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    if (options_.sum_contents) hash_.add(bytes);
    const la_ssize_t result = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    check(result < 0 ? static_cast<int>(result) : ARCHIVE_OK);
  }

  void put_zeros(std::uint64_t count) {
    static const std::vector<std::byte> zeros(piece);
    for (; count > 0; count -= std::min<std::uint64_t>(count, piece)) {
      put({zeros.data(), static_cast<std::size_t>(std::min<std::uint64_t>(count, piece))});
    }
  }

  /// From `start` up to `end`, with zeros for what cannot be had. Why it could not, if so.
  Fault copy(int file, std::uint64_t start, std::uint64_t end) {
    while (start < end) {
      const ssize_t got = read_piece(file, start, end - start);
      if (got <= 0) {
        const int error = errno;
        put_zeros(end - start);
        if (got == 0) return {Outcome::changed, "it became shorter while it was read"};
        return {
            Outcome::unreadable,
            system_error("what is behind byte " + std::to_string(start) + " cannot be read", error).what()};
      }
      put({buffer_.data(), static_cast<std::size_t>(got)});
      start += static_cast<std::uint64_t>(got);
    }
    return {};
  }

  Fault copy_extents(int file, const std::vector<Extent>& data, std::uint64_t size) {
    Fault fault;
    std::uint64_t at = 0;
    for (const Extent& extent : data) {
      put_zeros(extent.offset - at);
      Fault found = copy(file, extent.offset, extent.offset + extent.size);
      if (fault.outcome != Outcome::unreadable && found.outcome != Outcome::whole) fault = std::move(found);
      at = extent.offset + extent.size;
    }
    put_zeros(size - at);
    return fault;
  }

  Archived judged(const TreeEntry& entry, int file, const struct stat& before, Fault fault) {
    Archived archived;
    if (options_.sum_contents) archived.sum = hash_.finish();
    struct stat after {};
    if (fault.outcome == Outcome::whole && (::fstat(file, &after) != 0 || !is_untouched(before, after)))
      fault = {Outcome::changed, "it changed while it was read"};
    if (fault.outcome == Outcome::whole) return archived;
    archived.outcome = fault.outcome;
    archived.sentence = printable(entry.path) + " is not archived as it is: " + fault.sentence;
    return archived;
  }

  struct FreeArchive {
    void operator()(archive* writer) const { archive_write_free(writer); }
  };
  struct FreeEntry {
    void operator()(archive_entry* member) const { archive_entry_free(member); }
  };

  Options options_;
  std::string name_;
  std::string shown_;
  ArchiveFile file_;
  std::exception_ptr failure_;  ///< of the file, on its way through libarchive
  bool is_abandoned_ = false;
  std::unique_ptr<archive, FreeArchive> archive_;
  std::unique_ptr<archive_entry, FreeEntry> member_;
  std::vector<std::byte> buffer_;
  ContentHash hash_;
  std::map<Inode, FirstName> first_names_;
  std::uint64_t entries_ = 0;
};

Archive::Archive(const staging::Directory& where, std::string name, const Options& options)
    : writer_(std::make_unique<Writer>(where, std::move(name), options)) {}
Archive::~Archive() = default;

Archived Archive::add(const TreeEntry& entry) {
  return writer_->add(entry);
}
bool Archive::empty() const {
  return writer_->empty();
}
Archive::Committed Archive::commit() {
  return writer_->commit();
}

const char* archive_ending(config::ArchiveMode mode) {
  switch (mode) {
    case config::ArchiveMode::tar:
      return ".tar";
    case config::ArchiveMode::targz:
      return ".tar.gz";
    case config::ArchiveMode::tarbz2:
      return ".tar.bz2";
    case config::ArchiveMode::tarzst:
      return ".tar.zst";
  }
  return ".tar";
}

}  // namespace peerstage::peers::collect
