#include "peers/staging/verify.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "peers/staging/fetch.h"
#include "peers/text.h"

namespace peerstage::peers::staging {
namespace {

/// Bytes of names in one command line: half of what a single argument may have on Linux, because the whole
/// command is one argument of the peer's shell.
constexpr std::size_t argument_bytes = 64U << 10U;
constexpr std::size_t line_overhead = 70;

PeerError no_sums(const std::string& why) {
  return {FailureKind::permanent, "the peer cannot give SHA-256 sums, which verify=checksum needs: " + why};
}

/// A peer that says nothing must not hold us; one that reads from a slow disk may.
constexpr std::chrono::minutes patience{2};
constexpr std::uint64_t slowest_bytes_a_second = 1U << 20U;

void ask_batch(Connection& connection, const std::vector<std::string>& paths, std::uint64_t content_bytes,
               const std::string& prefix, Manifest& sums) {
  Command command;
  command.argv = {"sha256sum"};
  command.argv.insert(command.argv.end(), paths.begin(), paths.end());
  command.output_limit = 0;
  for (const std::string& path : paths) command.output_limit += 2 * path.size() + line_overhead;
  command.deadline = patience + std::chrono::seconds(content_bytes / slowest_bytes_a_second);

  const CommandResult result = connection.run(command);
  if (!result.succeeded()) {
    throw no_sums("sha256sum there said \"" + printable(result.error_output, 300) + "\"");
  }
  if (result.output_bytes > result.output.size())
    throw no_sums("sha256sum there wrote more than one line a file");
  for (const NamedSum& line : parse_sums(result.output, "the output of sha256sum at the peer")) {
    if (!line.name.starts_with(prefix)) throw no_sums("sha256sum there named " + printable(line.name, 300));
    sums.insert_or_assign(line.name.substr(prefix.size()), line.sum);
  }
}

}  // namespace

Manifest fetch_manifest(Connection& connection, const std::string& collect_dir, const SourceFile& file) {
  const std::string path = path_on_peer(collect_dir, file.path);
  Manifest manifest = parse_manifest(fetch_text(connection, path, file.size, longest_manifest),
                                     "the peer's manifest " + printable(path));
  manifest.erase(manifest_name);
  manifest.erase(stage_indicator);
  return manifest;
}

Manifest ask_sums(Connection& connection, const std::string& collect_dir,
                  const std::vector<SourceFile>& files) {
  const std::string prefix = collect_dir + (collect_dir.ends_with('/') ? "" : "/");
  Manifest sums;
  std::vector<std::string> batch;
  std::size_t name_bytes = 0;
  std::uint64_t content_bytes = 0;
  for (const SourceFile& file : files) {
    batch.push_back(path_on_peer(collect_dir, file.path));
    name_bytes += batch.back().size() + 3;
    content_bytes += file.size;
    if (name_bytes < argument_bytes) continue;
    ask_batch(connection, std::exchange(batch, {}), std::exchange(content_bytes, 0), prefix, sums);
    name_bytes = 0;
  }
  if (!batch.empty()) ask_batch(connection, batch, content_bytes, prefix, sums);
  for (const SourceFile& file : files) {
    if (!sums.contains(file.path.bytes()))
      throw no_sums("there was no line for " + printable(file.path.bytes()));
  }
  return sums;
}

std::vector<std::string> differences(const Manifest& manifest, const Manifest& sums) {
  std::vector<std::string> names;
  for (const auto& [name, sum] : manifest) {
    const auto ours = sums.find(name);
    if (ours == sums.end() || ours->second != sum) names.push_back(name);
  }
  return names;
}

}  // namespace peerstage::peers::staging
