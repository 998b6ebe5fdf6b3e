#include "peers/ssh/known_hosts.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/ssh/pattern.h"
#include "peers/ssh/small_file.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 1U << 20U) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), as_bytes(text),
                                     static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(length) - padding);
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), as_bytes(bytes),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// `|1|SALT|HASH`: HMAC-SHA1 of the host's name with the salt as the key.
bool matches_hashed(std::string_view host, std::string_view pattern) {
  const std::vector<std::string> parts = split(pattern, "|");
  if (parts.size() != 3 || parts[0] != "1") return false;
  const auto salt = from_base64(parts[1]);
  const auto hash = from_base64(parts[2]);
  if (!salt || !hash) return false;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (HMAC(EVP_sha1(), salt->data(), static_cast<int>(salt->size()), as_bytes(host), host.size(),
           digest.data(), &length) == nullptr) {
    return false;
  }
  return *hash == std::string_view(reinterpret_cast<const char*>(digest.data()), length);
}

bool matches_host(const std::string& host, std::string_view patterns) {
  if (patterns.starts_with('|')) return matches_hashed(host, patterns);
  return matches_patterns(host, split(lower_case(patterns), ","));
}

struct Entry {
  enum class Marker { none, revoked, authority };
  Marker marker = Marker::none;
  std::string type, base64;
  std::string file;
  int line = 0;
};

std::optional<Entry> parse(std::string_view text, const std::string& host) {
  std::vector<std::string> words = split(text, " \t\r");
  if (words.empty() || words.front().starts_with('#')) return std::nullopt;
  Entry entry;
  if (words.front().starts_with('@')) {
    if (words.front() == "@revoked") {
      entry.marker = Entry::Marker::revoked;
    } else if (words.front() == "@cert-authority") {
      entry.marker = Entry::Marker::authority;
    } else {
      return std::nullopt;
    }
    words.erase(words.begin());
  }
  if (words.size() < 3 || !matches_host(host, words[0])) return std::nullopt;
  entry.type = words[1];
  entry.base64 = words[2];
  return entry;
}

/// The lines that are about a host.
std::vector<Entry> entries_for(const std::vector<KnownHostsFile>& files, const std::string& host) {
  std::vector<Entry> entries;
  for (const KnownHostsFile& file : files) {
    int line = 0;
    for (std::string_view rest = file.text; !rest.empty();) {
      const std::size_t length = std::min(rest.find('\n'), rest.size());
      ++line;
      if (auto entry = parse(rest.substr(0, length), host)) {
        entry->file = file.path;
        entry->line = line;
        entries.push_back(std::move(*entry));
      }
      rest.remove_prefix(std::min(length + 1, rest.size()));
    }
  }
  return entries;
}

/// What cannot be synced (EINVAL: /dev/null, some file systems) has nothing to lose.
void make_durable(const Descriptor& file, const std::string& path) {
  if (sync_to_disk(file.get()) || errno == EINVAL) return;
  throw system_error("cannot make " + printable(path) + " durable", errno);
}

/// A line must not be glued to one that lacks its end.
bool ends_with_newline(const Descriptor& file) {
  struct stat status {};
  char last = '\n';
  if (::fstat(file.get(), &status) != 0 || status.st_size == 0) return true;
  return ::pread(file.get(), &last, 1, status.st_size - 1) != 1 || last == '\n';
}

/// Half a key would be taken for another key, and keep us out for ever.
void append(const Descriptor& file, const std::string& line, const std::string& path) {
  struct stat before {};
  const bool is_known = ::fstat(file.get(), &before) == 0;
  if (write_whole(file.get(), std::as_bytes(std::span(line)))) return;
  const PeerError error = system_error("cannot write " + printable(path), errno);
  if (is_known && ::ftruncate(file.get(), before.st_size) == 0) throw PeerError(error);
  throw PeerError(error.kind(), std::string(error.what()) +
                                    "; its last line may be half a key now, which cannot be taken back (" +
                                    std::strerror(errno) + "): remove it");
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Descriptor open_to_append(const std::string& path) {
  const std::string directory = directory_of(path);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    throw system_error("cannot make the directory " + printable(directory), errno);
  }
  Descriptor file(
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!file) throw system_error("cannot open " + printable(path) + " to add a host key", errno);
  return file;
}

}  // namespace

std::string HostKeyJudgement::place() const {
  return printable(file) + ":" + std::to_string(line);
}

std::string known_hosts_name(std::string_view host, unsigned port) {
  const std::string name = lower_case(host);
  return port == 22 ? name : "[" + name + "]:" + std::to_string(port);
}

std::string fingerprint(std::string_view base64) {
  const auto blob = from_base64(base64);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (!blob || EVP_Digest(blob->data(), blob->size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  std::string text = to_base64({reinterpret_cast<const char*>(digest.data()), length});
  while (text.ends_with('=')) text.pop_back();
  return "SHA256:" + text;
}

HostKeyJudgement judge(const std::vector<KnownHostsFile>& files, const HostKey& key) {
  HostKeyJudgement judgement;
  for (const Entry& entry : entries_for(files, key.host_pattern)) {
    const bool same = entry.base64 == key.base64;
    HostKeyVerdict verdict = same ? HostKeyVerdict::ok : HostKeyVerdict::changed;
    if (entry.marker == Entry::Marker::authority) {
      judgement.notes.push_back(printable(entry.file) + ":" + std::to_string(entry.line) +
                                ": the line is left out, because host certificates are not supported");
      continue;
    }
    if (entry.marker == Entry::Marker::revoked) {
      if (!same) continue;
      verdict = HostKeyVerdict::revoked;
    }
    const bool decided = judgement.verdict == HostKeyVerdict::ok ||
                         (judgement.verdict == HostKeyVerdict::changed && verdict == HostKeyVerdict::changed);
    if (decided && verdict != HostKeyVerdict::revoked) continue;
    judgement.verdict = verdict;
    judgement.file = entry.file;
    judgement.line = entry.line;
    judgement.known_fingerprint = fingerprint(entry.base64);
    if (verdict == HostKeyVerdict::revoked) break;
  }
  return judgement;
}

std::vector<std::string> known_key_types(const std::vector<KnownHostsFile>& files,
                                         const std::string& host_pattern) {
  std::vector<std::string> types;
  for (const Entry& entry : entries_for(files, host_pattern)) {
    if (entry.marker != Entry::Marker::none) continue;
    if (std::find(types.begin(), types.end(), entry.type) == types.end()) types.push_back(entry.type);
  }
  return types;
}

std::vector<KnownHostsFile> read_known_hosts(const std::vector<std::string>& paths) {
  std::vector<KnownHostsFile> files;
  for (const std::string& path : paths) {
    if (auto text = read_small_file(path)) files.push_back({path, std::move(*text)});
  }
  return files;
}

void make_known_hosts(const std::string& path) {
  open_to_append(path);
}

void append_known_host(const std::string& path, const HostKey& key) {
  const Descriptor file = open_to_append(path);
  // several workers may learn keys at the same time
  while (::flock(file.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  std::string line = key.host_pattern + " " + key.type + " " + key.base64 + "\n";
  if (!ends_with_newline(file)) line.insert(0, "\n");
  append(file, line, path);
  make_durable(file, path);
  const std::string directory = directory_of(path);
  make_durable(Descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), directory);
}

}  // namespace peerstage::peers::ssh
