#include "fake_connection.h"

#include <algorithm>
#include <deque>

#include "peers/staging/manifest.h"

namespace peerstage::peers {
namespace {

FileInfo info_of(const FakeEntry& entry) {
  return {entry.type, entry.content.size(), entry.permissions, entry.modified};
}

bool is_directly_in(const std::string& directory, const std::string& path) {
  return path.size() > directory.size() + 1 && path.starts_with(directory + "/") &&
         path.find('/', directory.size() + 1) == std::string::npos;
}

}  // namespace

struct FakeConnection::OnTheLine {
  FetchRequest request;
  std::uint64_t at = 0;
};

void FakeConnection::add_file(const std::string& path, const std::string& content,
                              std::uint32_t permissions) {
  entries[path] = {FileType::regular, content, permissions, std::chrono::seconds(1'600'000'000)};
}

void FakeConnection::add_directory(const std::string& path, std::uint32_t permissions) {
  entries[path] = {FileType::directory, "", permissions, std::chrono::seconds(1'600'000'000)};
}

void FakeConnection::add_special(const std::string& path, FileType type) {
  entries[path] = {type, "", 0777, std::chrono::seconds(1'600'000'000)};
}

void FakeConnection::change_unseen(const std::string& path) {
  for (char& c : entries.at(path).content) c = static_cast<char>(c ^ 1);
}

void FakeConnection::change(const std::string& path, const std::string& content) {
  FakeEntry& entry = entries.at(path);
  entry.content = content;
  entry.modified += std::chrono::seconds(10);
}

void FakeConnection::forget_what_happened() {
  fetched.clear();
  fetched_bytes = 0;
  offsets.clear();
}

std::optional<FileInfo> FakeConnection::lstat(const std::string& path) {
  const auto found = entries.find(path);
  return found == entries.end() ? std::nullopt : std::optional(info_of(found->second));
}

std::vector<ListedEntry> FakeConnection::list(const std::string& directory, const ListLimits& limits) {
  const auto found = entries.find(directory);
  if (found == entries.end() || found->second.type != FileType::directory) {
    throw PeerError(FailureKind::permanent, "no such directory: " + directory);
  }
  std::vector<ListedEntry> listed;
  for (const auto& [path, entry] : entries) {
    if (!is_directly_in(directory, path)) continue;
    listed.push_back({path.substr(directory.size() + 1), info_of(entry)});
    if (!tells_size) listed.back().info.size.reset();
  }
  if (found == entries.begin()) listed.insert(listed.end(), extra_entries.begin(), extra_entries.end());
  if (listed.size() > limits.entries) throw PeerError(FailureKind::hostile, "too many entries");
  if (after_listing) after_listing(*this);
  return listed;
}

void FakeConnection::fetch(FileReceiver& receiver) {
  if (before_fetch) before_fetch(*this);
  std::deque<OnTheLine> line;
  for (bool more = true; more || !line.empty();) {
    while (more && line.size() < files_at_a_time) {
      const auto request = receiver.next();
      more = request.has_value();
      if (!request) break;
      fetched.push_back(request->path);
      offsets.push_back(request->offset);
      line.push_back({*request, request->offset});
    }
    if (line.empty()) return;
    OnTheLine file = line.front();
    line.pop_front();
    if (advance(receiver, file)) line.push_back(file);
  }
}

/// False: done with this file.
bool FakeConnection::advance(FileReceiver& receiver, OnTheLine& file) {
  const FetchRequest& request = file.request;
  if (const auto failure = unreadable.find(request.path); failure != unreadable.end()) {
    receiver.failed(request.id, failure->second);
    return false;
  }
  const auto entry = entries.find(request.path);
  if (entry == entries.end()) {
    receiver.failed(request.id, {FailureKind::transient, request.path + " vanished"});
    return false;
  }
  if (file.at < request.size && file.at >= entry->second.content.size()) {
    receiver.failed(request.id, {FailureKind::transient, request.path + " is shorter than its size"});
    return false;
  }
  if (file.at < request.size) deliver(receiver, file, entry->second.content);
  if (file.at < request.size) return true;
  receiver.complete(request.id);
  return false;
}

void FakeConnection::deliver(FileReceiver& receiver, OnTheLine& file, const std::string& content) {
  const std::uint64_t end = std::min<std::uint64_t>(content.size(), file.request.size);
  std::size_t length = std::min(piece, static_cast<std::size_t>(end - file.at));
  if (breaks_after)
    length = std::min<std::size_t>(length, static_cast<std::size_t>(*breaks_after - fetched_bytes));
  const std::span<const char> bytes(content.data() + file.at, length);
  if (length > 0) receiver.data(file.request.id, std::as_bytes(bytes));
  file.at += length;
  fetched_bytes += length;
  if (breaks_after && fetched_bytes >= *breaks_after)
    throw PeerError(FailureKind::transient, "the line broke");
}

void FakeConnection::write_marker(const std::string& path) {
  add_file(path, "");
}

CommandResult FakeConnection::run(const Command& command) {
  if (before_run) before_run();
  if (command.begins) command.begins();
  CommandResult result = on_run ? on_run(command) : sum(command);
  if (command.heard && !result.output.empty()) command.heard(CommandStream::output, result.output);
  if (command.heard && !result.error_output.empty()) command.heard(CommandStream::error, result.error_output);
  return result;
}

CommandResult FakeConnection::sum(const Command& command) const {
  CommandResult result;
  if (command.argv.empty() || command.argv.front() != "sha256sum") {
    result.exit_status = 127;
    return result;
  }
  for (std::size_t i = 1; i < command.argv.size(); ++i) {
    staging::Sha256 hash;
    hash.add(entries.at(command.argv[i]).content);
    result.output += staging::manifest_line(command.argv[i], hash.finish());
  }
  result.output_bytes = result.output.size();
  result.exit_status = 0;
  return result;
}

}  // namespace peerstage::peers
