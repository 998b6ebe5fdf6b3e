#include "peers/staging/spool.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "peers/staging/hash.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

constexpr std::string_view boot_prefix = "boot.";
constexpr std::string_view publishing_prefix = "publishing.";
constexpr std::size_t file_name_length = 32;

bool is_file_name(const std::string& name) {
  return name.size() == file_name_length && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool is_ours(const std::string& name) {
  return is_file_name(name) || name.starts_with(boot_prefix) || name.starts_with(publishing_prefix);
}

std::string boot_note() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  if (id.empty() || id.find('/') != std::string::npos) {
    throw PeerError(FailureKind::permanent, "cannot read /proc/sys/kernel/random/boot_id; is /proc mounted?");
  }
  return std::string(boot_prefix) + id;
}

std::string publishing_note(Date day) {
  std::array<char, 48> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.*s%04d-%02u-%02u",
                                   static_cast<int>(publishing_prefix.size()), publishing_prefix.data(),
                                   static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                                   static_cast<unsigned>(day.day()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::optional<Date> noted_day(const std::string& name) {
  int year = 0;
  unsigned month = 0, day = 0;
  const std::string_view text = std::string_view(name).substr(publishing_prefix.size());
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  std::from_chars(text.data(), text.data() + 4, year);
  std::from_chars(text.data() + 5, text.data() + 7, month);
  std::from_chars(text.data() + 8, text.data() + 10, day);
  const Date date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  // The name is back again only when every character of it was understood.
  return date.ok() && publishing_note(date) == name ? std::optional(date) : std::nullopt;
}

void make_note(const Directory& directory, const std::string& name) {
  const Descriptor note = directory.create_file(name, 0600);
  if (!note && errno != EEXIST) throw system_error("cannot create " + directory.shown(name), errno);
}

}  // namespace

Spool::Spool(Directory directory, const Directory& spools, std::string peer,
             const std::optional<Ownership>& owner)
    : directory_(std::move(directory)), spools_(spools.duplicate()), peer_(std::move(peer)), owner_(owner) {}

std::optional<Spool> Spool::find(const Directory& spools, const std::string& peer,
                                 const std::optional<Ownership>& owner) {
  auto directory = spools.find_directory(peer);
  if (!directory) return std::nullopt;
  return Spool(std::move(*directory), spools, peer, owner);
}

Spool Spool::open(const Directory& spools, const std::string& peer, const std::optional<Ownership>& owner) {
  if (!spools.find(peer)) {
    const Directory made = spools.make_directory(peer, 0700);
    give_to(owner, made.descriptor(), spools.shown(peer));
  }
  Spool spool(spools.open_directory(peer), spools, peer, owner);
  spool.forget_other_boots();
  make_note(spool.directory_, boot_note());
  return spool;
}

std::string Spool::name_of(const SourceFile& file) {
  Sha256 hash;
  hash.add(std::to_string(file.size) + ' ' + std::to_string(file.modified.count()) + ' ' + file.path.bytes());
  return hash.finish().hex().substr(0, file_name_length);
}

bool Spool::made_by_us(const struct stat& status) const {
  const bool by_us = status.st_uid == ::geteuid() || (owner_ && status.st_uid == owner_->uid);
  return by_us && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

/// Was it begun so soon after the source's last change that the source may have changed once more under the
/// same mtime? What follows would not fit to it then.
bool Spool::begun_too_early(const std::string& name, std::chrono::nanoseconds source_modified) const {
  struct statx status {};
  const int result =
      ::statx(directory_.descriptor(), name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status);
  if (result != 0 || (status.stx_mask & STATX_BTIME) == 0) return true;
  const auto begun =
      std::chrono::seconds(status.stx_btime.tv_sec) + std::chrono::nanoseconds(status.stx_btime.tv_nsec);
  return begun - source_modified < racy_window && source_modified - begun < racy_window;
}

std::optional<std::uint64_t> Spool::usable_length(const std::string& name, const SourceFile& file) const {
  const auto status = directory_.find(name);
  if (!status || !made_by_us(*status)) return std::nullopt;
  if ((status->st_mode & 0600U) != 0600U) return std::nullopt;  // its final mode took even our own rights
  const auto length = static_cast<std::uint64_t>(status->st_size);
  if (length > file.size || begun_too_early(name, file.modified)) return std::nullopt;
  return length;
}

std::map<std::string, std::uint64_t> Spool::take_stock(
    const std::map<std::string, const SourceFile*>& wanted) const {
  std::map<std::string, std::uint64_t> stock;
  for (const std::string& name : directory_.list()) {
    if (!is_file_name(name)) continue;
    const auto file = wanted.find(name);
    const auto length = file == wanted.end() ? std::nullopt : usable_length(name, *file->second);
    if (length) {
      stock.emplace(name, *length);
    } else {
      discard(name);
    }
  }
  return stock;
}

void Spool::forget_other_boots() const {
  const std::vector<std::string> names = directory_.list();
  const std::string this_boot = boot_note();
  if (std::find(names.begin(), names.end(), this_boot) != names.end()) return;
  for (const std::string& name : names) {
    if (is_file_name(name) || name.starts_with(boot_prefix)) discard(name);
  }
}

void Spool::note_publishing(Date day) const {
  make_note(directory_, publishing_note(day));
}

void Spool::forget_publishing(Date day) const {
  discard(publishing_note(day));
}

std::vector<Date> Spool::publishing() const {
  std::vector<Date> days;
  for (const std::string& name : directory_.list()) {
    if (!name.starts_with(publishing_prefix)) continue;
    if (const auto day = noted_day(name)) days.push_back(*day);
  }
  return days;
}

bool Spool::remove() const {
  for (const std::string& name : directory_.list()) {
    const auto status = directory_.find(name);
    if (status && is_ours(name) && made_by_us(*status)) discard(name);
  }
  return spools_.remove_directory(peer_);
}

}  // namespace peerstage::peers::staging
