// What a request, an answer and a line of a manifest cost; what every file passes through. By hand, built
// with the preset "release":
//   build/release/bin/transfer_benchmark

#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "peers/sftp/packet.h"
#include "peers/staging/manifest.h"
#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers {
namespace {

using test::wire;
using test::wire64;
using test::wire_string;

constexpr std::uint32_t read_length = 255U << 10U;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void EncodeRead(benchmark::State& state) {
  const std::string handle(4, 'h');
  sftp::Bytes out;
  std::uint32_t id = 0;
  for (auto _ : state) {
    out.clear();
    ++id;
    sftp::encode_read(out, id, handle, std::uint64_t{id} * read_length, read_length);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(EncodeRead);

void EncodeOpen(benchmark::State& state) {
  const std::string path = "/var/backup/collect/etc/some/file.tar.gz";
  sftp::Bytes out;
  std::uint32_t id = 0;
  for (auto _ : state) {
    out.clear();
    sftp::encode_open(out, ++id, path, sftp::OpenFlags::read);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(EncodeOpen);

/// A page of a listing as OpenSSH sends it: 100 names with `ls -l` lines for people.
void DecodeNames(benchmark::State& state) {
  constexpr std::uint32_t count = 100;
  constexpr std::uint32_t size_owner_mode_times = 0xf;
  std::string body = wire(count);
  for (std::uint32_t number = 0; number < count; ++number) {
    const std::string name = "file" + std::to_string(10'000 + number) + ".tar.gz";
    body += wire_string(name) +
            wire_string("-rw-r--r--    1 backup   backup       4096 Jan  1 00:00 " + name) +
            wire(size_owner_mode_times) + wire64(4096) + wire(34) + wire(34) + wire(S_IFREG | 0644) +
            wire(1'700'000'000) + wire(1'700'000'000);
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(sftp::decode_names({sftp::PacketType::name, bytes_of(body), "web1"}));
  }
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(DecodeNames);

void DecodeData(benchmark::State& state) {
  const std::string body = wire_string(std::string(read_length, 'x'));
  for (auto _ : state) {
    benchmark::DoNotOptimize(sftp::decode_data({sftp::PacketType::data, bytes_of(body), "web1"}));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DecodeData);

std::string manifest_of(std::int64_t lines) {
  std::string text;
  for (std::int64_t number = 0; number < lines; ++number) {
    const std::string name = "directory" + std::to_string(number / 100) + "/file" + std::to_string(number);
    staging::Sha256 hash;
    hash.add(bytes_of(name));
    text += staging::manifest_line(name, hash.finish());
  }
  return text;
}

void ParseManifest(benchmark::State& state) {
  const std::string text = manifest_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(staging::parse_manifest(text, "cback.sha256"));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ParseManifest)->Arg(100)->Arg(10'000);

void WriteManifest(benchmark::State& state) {
  const staging::Manifest sums = staging::parse_manifest(manifest_of(state.range(0)), "cback.sha256");
  for (auto _ : state) {
    std::string text;
    for (const auto& [name, sum] : sums) text += staging::manifest_line(name, sum);
    benchmark::DoNotOptimize(text.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(WriteManifest)->Arg(100)->Arg(10'000);

/// As much as arrives in one answer.
void Hash(benchmark::State& state) {
  const std::string data(read_length, 'x');
  staging::Sha256 hash;
  for (auto _ : state) hash.add(bytes_of(data));
  benchmark::DoNotOptimize(hash.finish());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.size()));
}
BENCHMARK(Hash);

}  // namespace
}  // namespace peerstage::peers
